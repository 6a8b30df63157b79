"""The decoder as kernels that work on streams' states where they lie; torch's layers stay as the check."""
