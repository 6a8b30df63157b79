"""Fish Audio's HTTP API with its own SDK, both packages of it."""

import base64
import io
import wave
from collections.abc import Iterator
from typing import Any

import fish_audio_sdk
import fishaudio
import httpx2
import msgpack
import numpy as np
import pytest
from fishaudio.types import Prosody, ReferenceAudio, TTSConfig

from s1_protocol.names import Field
from tests.gateway.hearing import assert_said, hear_file, hear_pcm
from tests.gateway.running import RunningGateway, until
from tests.gateway.stand_in import StandIn, Trouble

TEXT = "Hello there, this is what I have to say."
LIVEKITS_VOICE = "933563129e564b19a115bedd57b7406a"


@pytest.fixture
def fish(gateway: RunningGateway) -> Iterator[fishaudio.FishAudio]:
    with fishaudio.FishAudio(api_key="unused", base_url=gateway.url) as client:
        yield client


def recording() -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setparams((1, 2, 16_000, 0, "NONE", ""))
            sound.writeframes(np.zeros(32_000, np.int16).tobytes())
        return file.getvalue()


@pytest.mark.parametrize("form", ["mp3", "wav", "opus"])
def test_files_of_the_sdk(fish: fishaudio.FishAudio, form: str) -> None:
    sound = fish.tts.convert(text=TEXT, config=TTSConfig(format=form))
    heard = hear_file(sound)
    assert_said(heard, TEXT)
    assert heard.rate_hz == (48_000 if form == "opus" else 44_100)


@pytest.mark.parametrize("rate_hz", [None, 8_000, 16_000, 24_000, 32_000, 44_100])
def test_pcm_has_the_rate_that_was_asked_for(fish: fishaudio.FishAudio, rate_hz: int | None) -> None:
    sound = fish.tts.convert(text=TEXT, config=TTSConfig(format="pcm", sample_rate=rate_hz))
    assert_said(hear_pcm(sound, rate_hz or 44_100), TEXT)


def test_what_the_sdk_sets_reaches_the_model(fish: fishaudio.FishAudio, stand_in: StandIn) -> None:
    fish.tts.convert(text=TEXT, config=TTSConfig(temperature=0.5, top_p=0.6, repetition_penalty=1.4, latency="normal"))
    (request,) = stand_in.requests
    assert request[Field.TEMPERATURE] == pytest.approx(0.5)
    assert request[Field.TOP_P] == pytest.approx(0.6)
    assert request[Field.REPETITION_PENALTY] == pytest.approx(1.4)
    assert request[Field.SERVICE] == "note"


def test_what_nobody_sets_is_as_at_hosted_s1(gateway: RunningGateway, stand_in: StandIn) -> None:
    answer = httpx2.post(f"{gateway.url}/v1/tts", json={"text": TEXT, "temperature": None, "features": ["a"]})
    assert answer.headers["content-type"] == "audio/mpeg"
    assert_said(hear_file(answer.content), TEXT)
    (request,) = stand_in.requests
    assert request[Field.TEMPERATURE] == pytest.approx(0.7)
    assert request[Field.TOP_P] == pytest.approx(0.7)
    assert request[Field.REPETITION_PENALTY] == pytest.approx(1.2)
    assert request[Field.SERVICE] == "call"


def test_prosody(fish: fishaudio.FishAudio) -> None:
    quiet = TTSConfig(format="wav", prosody=Prosody(speed=2.0, volume=-6.0))
    heard = hear_file(fish.tts.convert(text=TEXT, config=quiet))
    assert_said(heard, TEXT, speed=2.0, within_s=0.15)
    plain = hear_file(fish.tts.convert(text=TEXT, config=TTSConfig(format="wav")))
    middle = slice(10_000, 20_000)
    assert np.std(heard.samples[middle]) / np.std(plain.samples[middle]) == pytest.approx(0.5, abs=0.03)


def test_a_stored_voice_and_the_names_that_clients_send_by_habit(fish: fishaudio.FishAudio, stand_in: StandIn) -> None:
    voice = fish.voices.create(title="Anna", voices=[recording()], texts=["What Anna says."])
    fish.tts.convert(text=TEXT, reference_id=voice.id)
    fish.tts.convert(text=TEXT, reference_id=LIVEKITS_VOICE)
    fish.tts.convert(text=TEXT)
    assert [request.get(Field.VOICE) for request in stand_in.requests] == [voice.id, None, None]
    seeds = [request.get(Field.SEED) for request in stand_in.requests[1:]]
    assert None not in seeds
    with pytest.raises(fishaudio.APIError, match="no voice 'nobody'") as refused:
        fish.tts.convert(text=TEXT, reference_id="nobody")
    assert refused.value.status == 400


def test_a_recording_comes_along(fish: fishaudio.FishAudio, gateway: RunningGateway, stand_in: StandIn) -> None:
    sound = recording()
    fish.tts.convert(text=TEXT, references=[ReferenceAudio(audio=sound, text="What Anna says.")])
    inline = {"audio": base64.b64encode(sound).decode(), "text": "What Anna says."}
    httpx2.post(f"{gateway.url}/v1/tts", json={"text": TEXT, "references": [inline]}).raise_for_status()
    for request in stand_in.requests:
        assert request[Field.REFERENCE_AUDIO] == sound
        assert request[Field.REFERENCE_TEXT] == "What Anna says."
        assert Field.VOICE not in request


def test_several_recordings_come_along_in_their_order(fish: fishaudio.FishAudio, stand_in: StandIn) -> None:
    sounds = [recording(), recording() + bytes(2)]
    said = ["What Anna says.", "And what she says then."]
    references = [ReferenceAudio(audio=sound, text=text) for sound, text in zip(sounds, said, strict=True)]
    fish.tts.convert(text=TEXT, references=references)
    (request,) = stand_in.requests
    assert request[Field.REFERENCE_AUDIO] == sounds
    assert request[Field.REFERENCE_TEXT] == said


@pytest.mark.parametrize("bits", [-1000, 24, 32, 48, 64, 24_000, 64_000])
def test_opus_has_the_bit_rate_in_either_unit(gateway: RunningGateway, bits: int) -> None:
    text = TEXT * 4
    answer = httpx2.post(f"{gateway.url}/v1/tts", json={"text": text, "format": "opus", "opus_bitrate": bits})
    heard = hear_file(answer.content)
    assert_said(heard, text)
    asked_bps = {-1000: 32_000}.get(bits, bits if bits > 1000 else 1000 * bits)
    # a tone needs less than speech
    assert len(answer.content) * 8 / heard.duration_s < 1.2 * asked_bps + 3_000


def test_mp3_has_the_bit_rate(gateway: RunningGateway) -> None:
    for kbps in (64, 128, 192):
        answer = httpx2.post(f"{gateway.url}/v1/tts", json={"text": TEXT * 4, "mp3_bitrate": kbps})
        assert len(answer.content) * 8 / hear_file(answer.content).duration_s == pytest.approx(1000 * kbps, rel=0.05)


async def test_the_async_client(gateway: RunningGateway) -> None:
    async with fishaudio.AsyncFishAudio(api_key="unused", base_url=gateway.url) as client:
        assert_said(hear_file(await client.tts.convert(text=TEXT)), TEXT)


def test_the_older_package_streams(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 2.0
    with fish_audio_sdk.Session("unused", base_url=gateway.url) as session:
        pieces = session.tts(fish_audio_sdk.TTSRequest(text=TEXT, format="pcm"))
        first = next(pieces)
        assert stand_in.num_open == 1
        assert_said(hear_pcm(first + b"".join(pieces), 44_100), TEXT)


def test_errors_are_as_both_packages_read_them(gateway: RunningGateway, fish: fishaudio.FishAudio) -> None:
    with pytest.raises(fishaudio.ServerError, match="the queue is full") as busy:
        fish.tts.convert(text=Trouble.BUSY)
    assert busy.value.status == 503
    with fish_audio_sdk.Session("unused", base_url=gateway.url) as session:
        with pytest.raises(fish_audio_sdk.HttpCodeErr) as refused:
            session.get_model("nobody")
        assert refused.value.status == 404
        assert "nobody" in refused.value.message


def test_a_field_that_javascript_leaves_undefined_is_not_set(gateway: RunningGateway) -> None:
    undefined = msgpack.ExtType(0, b"\0")  # as msgpackr 2.1.4 packs it
    body = msgpack.packb({"text": TEXT, "format": "wav", "reference_id": undefined, "prosody": {"speed": undefined}})
    answer = httpx2.post(f"{gateway.url}/v1/tts", content=body, headers={"content-type": "application/msgpack"})
    assert answer.status_code == 200
    assert_said(hear_file(answer.content), TEXT)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"text": ""}, "text"),
        ({"text": 5}, "text"),
        ({"text": None}, "text"),
        ({"format": "midi"}, "format"),
        ({"format": "pcm", "sample_rate": 12_345}, "sample_rate"),
        ({"mp3_bitrate": 5}, "mp3_bitrate"),
        ({"format": "opus", "opus_bitrate": 2}, "opus_bitrate"),
        ({"prosody": {"speed": 5}}, "prosody.speed"),
        ({"prosody": {"volume": float("nan")}}, "prosody.volume"),
        ({"temperature": 9}, "temperature"),
        ({"chunk_length": 5}, "chunk_length"),
        ({"latency": "never"}, "latency"),
        ({"references": [{"audio": 5, "text": "a"}]}, "references.0.audio"),
        ({"references": [{"audio": b"a", "text": "a"}], "reference_id": "b"}, "references"),
        ({"references": [{"audio": b"a", "text": "a"}] * 9}, "references"),
        ({"reference_id": "x" * 300}, "reference_id"),
        ({"reference_id": msgpack.ExtType(0, b"\1")}, "reference_id"),
    ],
)
def test_what_is_wrong_is_named(
    gateway: RunningGateway, stand_in: StandIn, wrong: dict[str, object], named: str
) -> None:
    answer = httpx2.post(
        f"{gateway.url}/v1/tts",
        content=msgpack.packb({"text": TEXT, **wrong}),
        headers={"content-type": "application/msgpack"},
    )
    assert answer.status_code == 400
    assert answer.json().keys() == {"status", "message"}
    assert answer.json()["status"] == 400
    assert answer.json()["message"].startswith(f"{named}: ")
    assert stand_in.requests == []


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91" * 5_000, b"\x81\xa4text", b"\x05", b"\xd6\xff" + b"\xff" * 4])
def test_what_is_no_msgpack_is_refused(gateway: RunningGateway, body: bytes) -> None:
    answer = httpx2.post(f"{gateway.url}/v1/tts", content=body, headers={"content-type": "application/msgpack"})
    assert answer.status_code == 400
    assert answer.json().keys() == {"status", "message"}


def test_a_body_that_breaks_off_does_not_end_well(fish: fishaudio.FishAudio) -> None:
    with pytest.raises(Exception, match="incomplete chunked read"):
        fish.tts.convert(text=f"{TEXT} {Trouble.BREAK}")


def test_who_hangs_up_stops_the_server(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    with httpx2.stream("POST", f"{gateway.url}/v1/tts", json={"text": TEXT * 5, "format": "pcm"}) as answer:
        sound = answer.iter_bytes()  # let go of, it would close the connection
        next(sound)
        until(lambda: stand_in.num_open > 0)
    until(lambda: stand_in.num_open == 0 and gateway.num_open == 0)
    assert stand_in.num_cancelled == 1


def test_voices_are_listed_shown_and_removed(fish: fishaudio.FishAudio, stand_in: StandIn) -> None:
    made = [
        fish.voices.create(
            title=title, voices=[recording()], texts=["What is said."], tags=["calm"], description="A voice."
        )
        for title in ("Anna", "Bernd", "Annette")
    ]
    page = fish.voices.list(page_size=2)
    assert page.total == 3
    assert len(page.items) == 2
    assert len(fish.voices.list(page_size=2, page_number=2).items) == 1
    assert {voice.title for voice in fish.voices.list(title="ann").items} == {"Anna", "Annette"}
    assert fish.voices.list(tags=["loud"]).total == 0
    shown = fish.voices.get(made[0].id)
    assert (shown.title, shown.description, shown.tags, shown.state) == ("Anna", "A voice.", ["calm"], "trained")
    assert shown.samples[0].text == "What is said."
    assert shown.created_at.year > 2025
    fish.voices.delete(made[0].id)
    assert made[0].id not in stand_in.voices
    with pytest.raises(fishaudio.NotFoundError):
        fish.voices.get(made[0].id)


def test_a_voice_needs_what_is_said_in_it(fish: fishaudio.FishAudio, stand_in: StandIn) -> None:
    with pytest.raises(fishaudio.APIError, match="texts: got 0 for 1 files"):
        fish.voices.create(title="Anna", voices=[recording()])
    with pytest.raises(fishaudio.APIError, match="cover_image"):
        fish.voices.create(title="Anna", voices=[recording()], texts=["Hello."], cover_image=b"picture")
    assert not stand_in.voices


def test_what_is_told_of_a_voice_is_changed_and_the_rest_stays(
    fish: fishaudio.FishAudio, gateway: RunningGateway
) -> None:
    voice = fish.voices.create(title="Anna", voices=[recording()], texts=["What is said."], description="A voice.")
    fish.voices.update(voice.id, title="Bernd", tags=["calm", "low"])
    shown = fish.voices.get(voice.id)
    assert (shown.title, shown.tags, shown.description) == ("Bernd", ["calm", "low"], "A voice.")
    assert shown.samples[0].text == "What is said."
    with fish_audio_sdk.Session("unused", base_url=gateway.url) as session:
        session.update_model(voice.id, description="Another.", visibility="public")
    assert fish.voices.get(voice.id).description == "Another."
    with pytest.raises(fishaudio.NotFoundError):
        fish.voices.update("nobody", title="Bernd")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, "nothing to change"),
        ({"title": ""}, "title"),
        ({"visibility": "secret"}, "visibility"),
        ({"cover_image": b"picture"}, "cover_image"),
    ],
)
def test_a_change_that_is_none_is_refused(fish: fishaudio.FishAudio, change: dict[str, Any], named: str) -> None:
    voice = fish.voices.create(title="Anna", voices=[recording()], texts=["What is said."])
    with pytest.raises(fishaudio.APIError, match=named) as refused:
        fish.voices.update(voice.id, **change)
    assert refused.value.status == 400
    assert fish.voices.get(voice.id).title == "Anna"


def test_references_as_fish_speechs_own_server_has_them(gateway: RunningGateway, stand_in: StandIn) -> None:
    with httpx2.Client(base_url=f"{gateway.url}/v1") as client:
        files = {"audio": ("a.wav", recording())}
        added = client.post("/references/add", data={"id": "anna", "text": "What Anna says."}, files=files)
        assert added.json() == {"success": True, "message": "stored", "reference_id": "anna"}
        assert client.post("/references/add", data={"id": "anna", "text": "a"}, files=files).status_code == 409
        listed = client.get("/references/list", headers={"accept": "application/msgpack"})
        assert msgpack.unpackb(listed.content)["reference_ids"] == ["anna"]
        assert client.get("/references/list").json()["reference_ids"] == ["anna"]
        client.post("/references/add", data={"id": "bernd", "text": "a"}, files=files).raise_for_status()
        rename = {"old_reference_id": "anna", "new_reference_id": "bernd"}
        assert client.post("/references/update", json=rename).status_code == 409
        assert client.post("/references/update", json={**rename, "new_reference_id": "anna"}).status_code == 400
        assert client.post("/references/update", json={**rename, "old_reference_id": "nobody"}).status_code == 409
        packed = msgpack.packb({**rename, "new_reference_id": "clara", "text": "What Clara says."})
        renamed = client.post("/references/update", content=packed, headers={"content-type": "application/msgpack"})
        assert renamed.json() == {"success": True, "message": "changed", **rename, "new_reference_id": "clara"}
        assert stand_in.voices["clara"].recordings[0].transcript == "What Clara says."
        back = {"old_reference_id": "clara", "new_reference_id": "anna"}
        client.post("/references/update", json=back).raise_for_status()
        assert client.post("/references/update", json=back).status_code == 409
        client.request("DELETE", "/references/delete", json={"reference_id": "bernd"}).raise_for_status()
        removed = client.request("DELETE", "/references/delete", json={"reference_id": "anna"})
        assert removed.json()["success"] is True
        assert not stand_in.voices
        assert client.request("DELETE", "/references/delete", json={"reference_id": "anna"}).status_code == 404
        for method in ("GET", "POST"):
            assert client.request(method, "/health").json() == {"status": "ok"}
