"""Serve OpenAudio S1-mini text-to-speech on NVIDIA Triton.

The package holds everything that runs behind the model repository. Only ``s1_tts.triton`` knows Triton;
importing ``s1_tts`` itself loads neither torch nor Triton.
"""
