"""The codec's kernels. They run on a CUDA device, and in Triton's interpreter on a CPU for tests."""
