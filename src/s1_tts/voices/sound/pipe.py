"""What the process that decodes sound files and its parent send each other. The parent loads no decoder for it."""

import struct
from typing import Final

QUESTION: Final = struct.Struct("<QIdQ")
"""Bytes of the file that follows, rate of the result, longest sound in seconds, bytes of the largest file."""

HEADER: Final = struct.Struct("<?Q")
"""Begins an answer: whether it is sound, and not a fault in words; and its bytes."""
