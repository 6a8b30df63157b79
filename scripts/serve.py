"""Serve S1-mini with Triton on this machine, in the foreground, until interrupted; the same as ``s1-tts-serve``."""

import sys

from s1_tts.serving.command import main

if __name__ == "__main__":
    sys.exit(main())
