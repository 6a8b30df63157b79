"""Speech for a Pipecat bot: ``S1TTSService`` in its pipeline (``pip install 's1-tts[client,pipecat]'``)."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipecat.frames.frames import CancelFrame, ErrorFrame, Frame, TTSAudioRawFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TextAggregationMode, TTSService
from pipecat.utils.types import NOT_GIVEN, NotGiven, is_given

from s1_client.client import AsyncS1Client
from s1_client.errors import S1ClientError
from s1_client.options import SpeechOptions
from s1_client.policy import Delivery
from s1_client.resampling import Resampler
from s1_protocol.names import Field, ServiceClass
from s1_protocol.option_kinds import Caller
from s1_protocol.request_options import options_for
from s1_protocol.text.cleaning import is_speakable

if TYPE_CHECKING:
    from s1_client.stream import SpeechStream

OFFERED = tuple(option.field.value for option in options_for(Caller.PIPECAT))
"""Request options that are settings here."""

CALL_DELIVERY = Delivery(stall_timeout_s=10.0)
"""On a call, silence of ten seconds is as good as the end."""


@dataclass
class S1TTSSettings(TTSSettings):
    """What can be set at the start and changed while the bot runs, with ``TTSUpdateSettingsFrame(delta=...)``.

    ``voice`` is the id of a stored voice. None leaves an option to the server. ``model`` and ``language`` mean nothing
    here: the server has one model, which tells the language by the text.
    What the others do, their defaults and ranges: :data:`~s1_protocol.request_options.OPTIONS`.
    """

    seed: int | NotGiven | None = field(default_factory=lambda: NOT_GIVEN)
    temperature: float | NotGiven | None = field(default_factory=lambda: NOT_GIVEN)
    top_p: float | NotGiven | None = field(default_factory=lambda: NOT_GIVEN)
    repetition_penalty: float | NotGiven | None = field(default_factory=lambda: NOT_GIVEN)
    max_frames: int | NotGiven | None = field(default_factory=lambda: NOT_GIVEN)
    deadline_ms: int | NotGiven | None = field(default_factory=lambda: NOT_GIVEN)
    normalize: bool | NotGiven | None = field(default_factory=lambda: NOT_GIVEN)

    def to_options(self) -> SpeechOptions:
        """Options of a request for the next sentence."""
        given = {name: value for name in OFFERED if is_given(value := getattr(self, name))}
        return SpeechOptions(service=ServiceClass.CALL, **given)


def default_settings() -> S1TTSSettings:
    """Settings that leave everything to the server but the seed, so that all sentences have one voice."""
    left_out: dict[str, Any] = dict.fromkeys(OFFERED)
    return S1TTSSettings(model=None, language=None, **{**left_out, Field.SEED: 0})


class S1TTSService(TTSService):
    """Speaks the bot's sentences with an S1-mini server.

    Each sentence is a request. An interruption cancels the one under way, and the server stops its work. A server that
    is gone costs the sentences in between, as errors that Pipecat reports; the next one after it is back is spoken.

    Args:
        client: Connected to the server. It stays the caller's, who closes it.
        settings: What differs from the defaults.
        delivery: How sound is handed over.
        options: Of Pipecat's ``TTSService``, such as ``sample_rate``.

    Raises:
        ValueError: sentences are not to be gathered; the server speaks sentences, not single words.
    """

    Settings = S1TTSSettings
    _settings: S1TTSSettings

    def __init__(
        self,
        client: AsyncS1Client,
        *,
        settings: S1TTSSettings | None = None,
        delivery: Delivery = CALL_DELIVERY,
        **options: Any,
    ) -> None:
        if options.get("text_aggregation_mode") is TextAggregationMode.TOKEN:
            raise ValueError("text_aggregation_mode: got token; allowed: sentence")
        chosen = default_settings()
        if settings is not None:
            chosen.apply_update(settings)
        # Pipecat writes a service off after some silent turns; a server that restarts is not to be written off
        options.setdefault("max_consecutive_zero_audio_contexts", 0)
        super().__init__(push_start_frame=True, push_stop_frames=True, settings=chosen, **options)
        self._client = client
        self._delivery = delivery
        self._speech: SpeechStream | None = None

    def can_generate_metrics(self) -> bool:
        """Tell Pipecat that time to first byte and usage are measured."""
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak one sentence.

        Args:
            text: The sentence.
            context_id: Pipecat's id of the turn.

        Yields:
            Audio frames of 16-bit mono at the pipeline's rate, as they come; an error frame if the sentence fails.
        """
        if not is_speakable(text):  # a smile at the end of a reply is silence, no failure
            return
        await self.start_tts_usage_metrics(text)
        resampler = Resampler(self.sample_rate)
        try:
            self._speech = self._client.stream(text, self._settings.to_options(), delivery=self._delivery)
            async with self._speech as stream:
                async for chunk in stream:
                    samples = resampler.convert(chunk.samples, is_last=chunk.is_last)
                    if len(samples):
                        await self.stop_ttfb_metrics()
                        yield TTSAudioRawFrame(
                            samples.astype("<i2").tobytes(), self.sample_rate, 1, context_id=context_id
                        )
        except S1ClientError as error:
            yield ErrorFrame(error=f"S1 TTS: {error}", exception=error)
        finally:
            await self.stop_ttfb_metrics()

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Stop the server's work on the sentence that nobody will hear."""
        self._cancel_speech()
        await super().on_audio_context_interrupted(context_id)

    async def cancel(self, frame: CancelFrame) -> None:
        """End at once."""
        self._cancel_speech()
        await super().cancel(frame)

    def _cancel_speech(self) -> None:
        if self._speech is not None:
            self._speech.cancel()
