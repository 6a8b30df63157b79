"""C++ of the models for a CPU: it is compiled on the machine that runs it, for that very CPU."""
