"""Entry point of the Triton model ``s1_mini``; everything is in the installed package."""

from s1_tts.triton.models.mini import CollectorModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
