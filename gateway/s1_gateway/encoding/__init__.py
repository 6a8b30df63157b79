"""Sound as a caller wants it: another rate, speed, loudness and format, piece by piece as the engine makes it."""

from s1_gateway.encoding.encoder import SoundEncoder, encode_whole
from s1_gateway.encoding.formats import AudioFormat
from s1_gateway.encoding.spec import SoundSpec, SoundSpecError

__all__ = ["AudioFormat", "SoundEncoder", "SoundSpec", "SoundSpecError", "encode_whole"]
