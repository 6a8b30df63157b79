"""Cartesia's routes over HTTP: its own SDK, the services of LiveKit and Pipecat that use them, and what goes wrong."""

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import av
import httpx2
import pytest
import soundfile
from cartesia import APIConnectionError, APIStatusError, AsyncCartesia, BadRequestError, NotFoundError
from livekit.agents import APIConnectOptions
from livekit.plugins import cartesia as livekit_cartesia
from pipecat.frames.frames import TTSSpeakFrame, TTSStoppedFrame
from pipecat.services.cartesia.tts import CartesiaHttpTTSService

from s1_protocol.names import Field
from s1_protocol.voice_record import VoiceRecord
from tests.gateway.hearing import assert_said, hear, hear_file, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway
from tests.gateway.stand_in import StandIn, Trouble, seconds_of
from tests.pipelines import audio_of, line_of

TEXT = "Hello there, this is what I have to say."
ONCE = APIConnectOptions(max_retry=0)
RAW = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}


@pytest.fixture
async def sdk(gateway: RunningGateway) -> AsyncIterator[AsyncCartesia]:
    client = AsyncCartesia(api_key="unused", base_url=gateway.url, websocket_base_url=gateway.socket_url, max_retries=0)
    async with client:
        yield client


async def generated(sdk: AsyncCartesia, output_format: Any, **fields: Any) -> bytes:
    request = {"model_id": "sonic-3", "transcript": TEXT, "voice": "alloy", "output_format": output_format}
    answer = await sdk.tts.generate(**request | fields)
    return await answer.read()


async def events(sdk: AsyncCartesia, transcript: str = TEXT, **fields: Any) -> list[Any]:
    stream = await sdk.tts.generate_sse(
        model_id="sonic-3",
        transcript=transcript,
        voice={"id": "alloy"},
        output_format={"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
        **fields,
    )
    return [event async for event in stream]


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 44_100])
@pytest.mark.parametrize(("encoding", "subtype"), [("pcm_s16le", "PCM_16"), ("pcm_f32le", "FLOAT")])
async def test_a_wav_file_has_the_encoding_that_was_asked_for(
    sdk: AsyncCartesia, encoding: str, subtype: str, rate_hz: int
) -> None:
    data = await generated(sdk, {"container": "wav", "encoding": encoding, "sample_rate": rate_hz})
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert (file.subtype, file.samplerate, file.channels) == (subtype, rate_hz, 1)
        assert_said(hear(file.read(), rate_hz), TEXT)


async def test_raw_sound_and_mp3(sdk: AsyncCartesia) -> None:
    assert_said(hear_pcm(await generated(sdk, RAW), 24_000), TEXT)
    data = await generated(sdk, {"container": "mp3", "bit_rate": 64_000, "sample_rate": 24_000})
    with av.open(io.BytesIO(data)) as container:
        assert container.format.name == "mp3"
        assert container.streams.audio[0].rate == 24_000
    assert_said(hear_file(data), TEXT, within_s=0.15)


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
async def test_no_event_is_over_64_kib(gateway: RunningGateway, encoding: str) -> None:
    sound = {"container": "raw", "encoding": encoding, "sample_rate": 48_000}
    request = {"model_id": "sonic-3", "transcript": TEXT * 3, "voice": "alloy", "output_format": sound}
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{gateway.url}/tts/sse", json=request)
    lines = answer.content.split(b"\n")
    assert max(len(line) for line in lines) < 65_536
    assert sum(len(line) for line in lines) > 3 * 65_536


async def test_a_voice_is_an_object_or_its_id(gateway: RunningGateway, sdk: AsyncCartesia, stand_in: StandIn) -> None:
    for voice in ("alloy", {"id": "alloy"}, {"mode": "id", "id": "alloy"}):
        await generated(sdk, RAW, voice=voice)
    async with sdk.tts.websocket_connect() as connection:
        context = connection.context(model_id="sonic-3", voice="alloy", output_format=RAW)
        await context.push(TEXT)
        await context.no_more_inputs()
        assert [event.type async for event in context.receive()][-1] == "done"
    seeds = {request[Field.SEED] for request in stand_in.requests}
    assert len(stand_in.requests) == 4
    assert len(seeds) == 1


async def test_speed_and_options_of_the_model(sdk: AsyncCartesia, stand_in: StandIn) -> None:
    data = await generated(sdk, RAW, generation_config={"speed": 2.0}, extra_body={"seed": 5})
    assert_said(hear_pcm(data, 24_000), TEXT, speed=2.0, within_s=0.15)
    assert stand_in.requests[0][Field.SEED] == 5


async def test_events_carry_the_sound_and_end(sdk: AsyncCartesia) -> None:
    told = await events(sdk, context_id="a", add_timestamps=True)
    assert_said(hear_pcm(b"".join(event.audio for event in told if event.type == "chunk"), 24_000), TEXT)
    assert {event.context_id for event in told} == {"a"}
    assert [event.type for event in told if event.type != "chunk"] == ["timestamps", "done"]
    (times,) = [event.word_timestamps for event in told if event.type == "timestamps"]
    assert (times.words, times.start) == ([TEXT], [0.0])
    assert times.end[0] == pytest.approx(seconds_of(TEXT), abs=0.001)


async def test_what_breaks_off_does_not_end_well(sdk: AsyncCartesia) -> None:
    text = f"{Trouble.BREAK}, says he"
    told = await events(sdk, text)
    assert [event.type for event in told] == ["chunk", "error"]
    assert (told[-1].status_code, told[-1].done) == (500, False)
    with pytest.raises(APIConnectionError):
        await generated(sdk, RAW, transcript=text)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"transcript": ""}, "transcript: "),
    ({"transcript": "a" * 10_001}, "transcript: "),
    ({"transcript": Trouble.INVALID}, ""),
    ({"voice": {"mode": "embedding", "embedding": [1.0]}}, "voice."),
    ({"output_format": {**RAW, "sample_rate": 1}}, "output_format.sample_rate: "),
    ({"output_format": {**RAW, "container": "ogg"}}, "output_format.container: "),
    ({"output_format": {**RAW, "container": "wav", "encoding": "pcm_mulaw"}}, "output_format.encoding: "),
    ({"output_format": {"container": "raw", "sample_rate": 8_000}}, "output_format.encoding: "),
    ({"output_format": {"container": "mp3", "sample_rate": 8_000, "bit_rate": 128_000}}, "output_format.bit_rate: "),
    ({"generation_config": {"speed": 9}}, "generation_config.speed: "),
]


@pytest.mark.parametrize(("fields", "named"), WRONG)
async def test_a_wrong_request_names_the_field(sdk: AsyncCartesia, fields: dict[str, Any], named: str) -> None:
    output_format = fields.get("output_format", RAW)
    with pytest.raises(BadRequestError) as refused:
        await generated(sdk, output_format, **{key: fields[key] for key in fields if key != "output_format"})
    body = refused.value.body
    assert isinstance(body, dict)
    assert body["message"].startswith(named)
    assert (body["error_code"], body["status_code"]) == ("invalid_request", 400)


async def test_a_full_server_says_when_to_ask_again(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.is_full = True
    async with AsyncCartesia(api_key="unused", base_url=gateway.url, max_retries=0) as sdk:
        with pytest.raises(APIStatusError) as refused:
            await generated(sdk, RAW)
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"] == "1"


async def test_voices_are_listed_to_their_end(sdk: AsyncCartesia, stand_in: StandIn) -> None:
    stand_in.voices["anna"] = VoiceRecord("anna", ())
    every = [voice.id async for voice in sdk.voices.list()]
    in_pages = [voice.id async for voice in sdk.voices.list(limit=3)]
    assert every == in_pages == sorted(set(every))
    assert {"anna", "alloy", "default"} <= set(every)
    assert [voice.id async for voice in sdk.voices.list(q="ANN")] == ["anna"]
    assert (await sdk.voices.get("anna")).is_owner is True
    with pytest.raises(NotFoundError):
        await sdk.voices.get("bob")


async def test_livekit_says_a_whole_text(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with aiohttp.ClientSession() as http:
        tts = livekit_cartesia.TTS(api_key="unused", base_url=gateway.url, http_session=http)
        frame = await tts.synthesize(TEXT, conn_options=ONCE).collect()
        assert_said(hear_pcm(bytes(frame.data), frame.sample_rate), TEXT)
        await tts.aclose()


async def test_pipecats_http_service(gateway: RunningGateway, stand_in: StandIn) -> None:
    settings = CartesiaHttpTTSService.Settings(voice="alloy")
    service = CartesiaHttpTTSService(api_key="unused", base_url=gateway.url, settings=settings)
    async with line_of(service, 16_000) as line:
        await line.send(TTSSpeakFrame(TEXT))
        frames = audio_of(await line.read_to(TTSStoppedFrame))
    assert {frame.sample_rate for frame in frames} == {16_000}
    assert_said(hear_pcm(b"".join(frame.audio for frame in frames), 16_000), TEXT)


@pytest.mark.parametrize("name", ["api_key", "access_token", "token"])
async def test_a_sockets_address_carries_the_token_under_cartesias_names(
    shared_stand_in: tuple[StandIn, str], name: str
) -> None:
    # of "secret"
    known = "anna sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    with running_gateway(shared_stand_in[1], tokens=known) as gateway:
        async with aiohttp.ClientSession() as http:
            address = f"{gateway.url}/tts/websocket"
            async with http.ws_connect(address, params={name: "secret"}) as socket:
                await socket.send_str("{}")
                assert (await socket.receive_json())["status_code"] == 400
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(address, params={name: "another"})
