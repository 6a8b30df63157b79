"""Sound files of every usual make, read to their end: what was decoded counts, not what a header says."""
