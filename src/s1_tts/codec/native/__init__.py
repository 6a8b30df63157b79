"""The codec's convolutions and linear layers for a CPU with AMX, in C++, compiled on the machine that runs them."""
