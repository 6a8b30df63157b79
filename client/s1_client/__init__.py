"""What a caller of the S1-mini server installs: a client library and the ``s1-tts`` command."""
