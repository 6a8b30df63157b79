"""How much of a text, a recording or a voice may be sent."""

MAX_TEXT_CHARACTERS = 10_000
"""Of one request."""

MAX_FRAMES = 65_536
"""Of one request, 51 minutes: what the longest text takes in the slowest script."""

MAX_SEED = 2**63 - 1

MIN_RECORDING_S = 1.0
MAX_RECORDING_S = 90.0
SOUND_FILES = "WAV, AIFF, CAF, AU, FLAC, OGG, MP3, AAC, M4A/MP4, WebM, AMR or WMA"
"""Makes of recordings that are read."""

MAX_RECORDING_BYTES = 32 * 2**20
"""Room for 90 s of WAV in stereo at 44.1 kHz with 32 bits a sample; requests that wait hold as much each."""

MAX_RECORDINGS = 8
"""Of one voice."""

MAX_TRANSCRIPT_CHARACTERS = 5_000
"""Of one recording."""

MAX_METADATA_BYTES = 64 * 2**10
"""Of one voice."""
