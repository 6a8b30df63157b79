"""Entry point of the Triton model ``s1_llama``; everything is in the installed package."""

from s1_tts.triton.models.llama import LlamaModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
