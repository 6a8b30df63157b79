"""The commands of ``s1-tts``, one a module."""
