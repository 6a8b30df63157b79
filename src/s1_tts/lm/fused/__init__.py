"""The language model as a few hundred GPU kernels a frame, written in Triton; torch's layers stay as the check."""
