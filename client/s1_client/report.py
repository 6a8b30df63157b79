"""When the sound of an utterance came, in figures and in words."""

from dataclasses import dataclass, field

from s1_client.audio import AudioChunk


@dataclass
class SpeechTimes:
    """Times of one utterance, all from the moment the request was sent.

    Args:
        arrivals_s: When each chunk came; empty for one answer.
        audio_s: Length of the sound so far.
        total_s: When everything was there.
    """

    arrivals_s: list[float] = field(default_factory=list)
    audio_s: float = 0.0
    total_s: float = 0.0

    def add_chunk(self, chunk: AudioChunk) -> None:
        """Count a chunk that has come."""
        self.arrivals_s.append(chunk.arrival_s)
        self.audio_s += chunk.duration_s
        self.total_s = chunk.arrival_s

    @property
    def real_time_factor(self) -> float | None:
        """Wall time until everything was there / length of the sound; none without sound."""
        return self.total_s / self.audio_s if self.audio_s else None


def describe_progress(times: SpeechTimes) -> str:
    """One line for a terminal while chunks come."""
    return (
        f"chunk {len(times.arrivals_s)}  {times.audio_s:.2f} s of audio after {times.total_s:.2f} s  "
        f"(first audio after {times.arrivals_s[0] * 1000:.0f} ms)"
    )


def describe_result(times: SpeechTimes) -> str:
    """One line for the end."""
    parts = [f"{times.audio_s:.2f} s of audio"]
    if times.arrivals_s:
        parts += [f"{len(times.arrivals_s)} chunk(s)", f"first audio after {times.arrivals_s[0] * 1000:.0f} ms"]
    parts.append(f"all after {times.total_s:.2f} s")
    if times.real_time_factor is not None:
        parts.append(f"RTF {times.real_time_factor:.2f} (wall time / audio time)")
    return ", ".join(parts)
