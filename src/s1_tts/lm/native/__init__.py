"""The language model's layers for a CPU, in C++, compiled on the machine that runs them.

A decode step reads all weights for a few rows. What torch does there takes about twice as long as reading them: every
layer is a call of its own, and reads its weights at two thirds of the memory's speed. Here a stack of blocks is one
call that reads weights in the order in which they lie. Where there is no C++ compiler, the layers stay torch's.
"""
