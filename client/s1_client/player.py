"""Sound through the loudspeaker."""

import asyncio
from types import TracebackType
from typing import Any, Self

from s1_client.audio import AudioChunk
from s1_client.errors import S1ClientError


class PlaybackError(S1ClientError):
    """There is no way to play sound here; the message says what is missing."""


class Player:
    """Plays chunks in order: ``async with Player() as player: await player.play(chunk)``.

    Raises:
        PlaybackError: the ``sounddevice`` package, the system's PortAudio or a sound device is missing.
    """

    def __init__(self) -> None:
        try:
            import sounddevice  # noqa: PLC0415  # an extra, and it looks for PortAudio when it is imported
        except ImportError as error:
            raise PlaybackError("playing needs the package sounddevice: pip install 's1-tts[play]'") from error
        except OSError as error:
            raise PlaybackError(f"playing needs PortAudio ({error}); on Debian: apt install libportaudio2") from error
        self._sounddevice = sounddevice
        try:
            sounddevice.query_devices(kind="output")
        except (sounddevice.PortAudioError, ValueError) as error:
            raise PlaybackError(f"there is no sound device to play on ({error}); write a file with -o") from error
        self._output: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._output is not None:
            # what was written is still being heard; after an error nobody wants to hear it
            await asyncio.to_thread(self._output.abort if kind else self._output.stop)
            self._output.close()

    async def play(self, chunk: AudioChunk) -> None:
        """Play a chunk; returns when the device has taken it, which paces the reader.

        Raises:
            PlaybackError: the device refuses.
        """
        try:
            if self._output is None:
                self._output = self._sounddevice.OutputStream(
                    samplerate=chunk.sample_rate_hz, channels=1, dtype="int16"
                )
                self._output.start()
            await asyncio.to_thread(self._output.write, chunk.samples.reshape(-1, 1))
        except self._sounddevice.PortAudioError as error:
            raise PlaybackError(f"the sound device does not play: {error}") from error
