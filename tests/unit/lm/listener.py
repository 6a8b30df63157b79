"""A listener of one stream: its frames in chunks, through a codec that is simulated, played at 1x."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.lm.chunking import ChunkSchedule


@dataclass
class Heard:
    """What the listener hears.

    Args:
        sizes: Frames of each chunk.
        silences_s: Gaps in which there was nothing to play.
        first_audio_s: When the first chunk came.
    """

    sizes: list[int] = field(default_factory=list)
    silences_s: list[float] = field(default_factory=list)
    first_audio_s: float = 0.0


def listen(schedule: ChunkSchedule, frames_s: Sequence[float], decode_s: Callable[[int], float]) -> Heard:
    """Send a stream's frames in chunks through the codec to the listener.

    Args:
        schedule: Decides when frames go out.
        frames_s: Time at which each frame is made, rising.
        decode_s: Time that the codec takes for a chunk of so many frames; it decodes one chunk after the other.
    """
    heard = Heard()
    num_unsent, decoded_s, played_s = 0, 0.0, 0.0
    for number, now_s in enumerate(frames_s, 1):
        num_unsent += 1
        if number < len(frames_s) and not schedule.is_due(num_unsent, now_s):
            continue
        schedule.sent(num_unsent, now_s)
        decoded_s = max(decoded_s, now_s) + decode_s(num_unsent)
        if not heard.sizes:
            heard.first_audio_s = played_s = decoded_s
        if decoded_s > played_s + 1e-9:
            heard.silences_s.append(decoded_s - played_s)
        played_s = max(played_s, decoded_s) + num_unsent / FRAMES_PER_SECOND
        heard.sizes.append(num_unsent)
        num_unsent = 0
    return heard
