"""Entry point of the Triton model ``s1_voice``; everything is in the installed package."""

from s1_tts.triton.models.voice import VoiceModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
