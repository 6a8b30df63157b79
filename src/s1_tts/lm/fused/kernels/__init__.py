"""The kernels, a few a file. They run on a CUDA device, and in Triton's interpreter on a CPU for tests.

What holds for all of them: a row's numbers depend on that row alone. Tiles have one size, whatever the number of rows,
so that one and the same program computes a row in every company; sums over keys and inputs go in one order.
"""
