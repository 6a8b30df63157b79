"""Entry point of the Triton model ``s1_codec``; everything is in the installed package."""

from s1_tts.triton.models.codec import CodecModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
