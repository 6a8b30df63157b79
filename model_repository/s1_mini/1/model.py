"""Entry point of the Triton model ``s1_mini``; everything is in the installed package."""

from s1_tts.triton.collector import CollectorModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
