"""Tensors of requests and responses, to and from what the engine works with; numpy, and nothing of Triton."""
