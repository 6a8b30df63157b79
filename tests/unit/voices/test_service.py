"""The engine of the voices with the real encoder of a tiny codec: right codes, once, for the right voice."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from s1_protocol.errors import InvalidArgumentError, NotFoundError, S1Error, UnavailableError
from s1_protocol.names import VoiceOperation
from s1_training.development.codec import write_dev_codec
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.settings import Settings
from s1_tts.voices.audio import Samples, read_recording
from s1_tts.voices.fingerprint import codec_fingerprint
from s1_tts.voices.folder import FolderStore
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice import Codes, Recording, Voice
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.voices.voice_change import VoiceChange
from s1_tts.voices.voice_command import VoiceCommand
from tests.unit.voices.sounds import recording

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    write_dev_codec(folder, "tiny", seed=1)
    return folder


class CountedEncoder:
    """The real encoder; counts, and waits while its gate is closed."""

    def __init__(self, checkpoint: Path) -> None:
        self.encoder = CodecEncoder.load(checkpoint, CPU, torch.float32)
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, samples: Samples) -> Codes:
        self.calls += 1
        self.gate.wait()
        return self.encoder.encode(torch.from_numpy(samples)).numpy().astype(np.int32)

    def codes_of(self, audio: bytes) -> Codes:
        return self.encoder.encode(torch.from_numpy(read_recording(audio))).numpy().astype(np.int32)


@pytest.fixture
def encoder(checkpoint: Path) -> CountedEncoder:
    return CountedEncoder(checkpoint)


Make = Callable[..., VoiceService]


@pytest.fixture
def make(tmp_path: Path, encoder: CountedEncoder) -> Iterator[Make]:
    made: list[VoiceService] = []

    def make(fingerprint: str = "one", cache_bytes: int = 10**6, max_waiting: int = 64) -> VoiceService:
        store = FolderStore(tmp_path / "voices")
        made.append(VoiceService(store, encoder, fingerprint, cache_bytes=cache_bytes, max_waiting=max_waiting))
        return made[-1]

    yield make
    encoder.gate.set()
    for service in made:
        service.close()


def reference(hz: float = 220.0, transcript: str = "Some words.") -> VoiceAsk:
    return VoiceAsk(recordings=(Recording(recording(hz), transcript),))


def anna(*pitches: float) -> Voice:
    return Voice("anna", tuple(Recording(recording(hz), f"at {hz}") for hz in pitches or (220.0,)))


def add(service: VoiceService, voice: Voice) -> None:
    service.run(VoiceCommand(VoiceOperation.ADD, voice.id, voice.recordings, voice.metadata)).result()


def remove(service: VoiceService, voice_id: str) -> None:
    service.run(VoiceCommand(VoiceOperation.REMOVE, voice_id)).result()


def test_nothing_asked_gives_nothing_at_once(make: Make) -> None:
    assert make().resolve(VoiceAsk()) == ()


def test_a_recording_becomes_the_encoders_codes_once(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    (prompt,) = service.resolve(reference())
    assert prompt.transcript == "Some words."
    np.testing.assert_array_equal(prompt.codes, encoder.codes_of(recording()))
    assert (prompt.codes.shape, prompt.codes.dtype) == ((10, 33), np.int32)
    again = service.resolve(reference())
    assert again[0].codes is prompt.codes
    assert encoder.calls == 1
    stats = service.stats()
    assert (stats.encodings.hits, stats.encodings.misses, stats.encodings.size_bytes) == (1, 1, prompt.codes.nbytes)
    assert stats.encoded_s == pytest.approx(1.5)


def test_the_same_words_of_another_are_another_voice(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    one, other = service.resolve(reference(200)), service.resolve(reference(400))
    assert not np.array_equal(one[0].codes, other[0].codes)
    assert service.resolve(reference(200, "Other words."))[0].transcript == "Other words."


def test_many_simultaneous_askers_cause_one_encode_and_hold_up_nobody_else(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    add(service, anna(300.0))
    service.resolve(VoiceAsk("anna"))
    encoder.gate.clear()
    waiting = [service.submit(reference(500)) for _ in range(32)]
    assert service.resolve(VoiceAsk("anna"))[0].transcript == "at 300.0"
    assert service.stats().waiting == 32
    encoder.gate.set()
    codes = [future.result()[0].codes for future in waiting]
    assert all(each is codes[0] for each in codes)
    assert encoder.calls == 2
    assert service.stats().waiting == 0


def test_too_many_waiting_are_refused(make: Make, encoder: CountedEncoder) -> None:
    service = make(max_waiting=2)
    encoder.gate.clear()
    waiting = [service.submit(reference(hz)) for hz in (200, 300)]
    with pytest.raises(UnavailableError, match="2 requests wait"):
        service.submit(reference(400))
    assert service.stats().refused == 1
    encoder.gate.set()
    assert all(future.result() for future in waiting)


def test_a_fault_is_told_to_all_and_forgotten(make: Make) -> None:
    service = make()
    broken = VoiceAsk(recordings=(Recording(b"no sound", "words"), Recording(recording(), "words")))
    for future in [service.submit(broken) for _ in range(4)]:
        with pytest.raises(InvalidArgumentError, match="no audio file"):
            future.result()
    assert service.stats().waiting == 0


def test_a_stored_voice_has_its_recordings_in_order(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    add(service, anna(400.0, 200.0, 300.0))
    prompts = service.resolve(VoiceAsk("anna"))
    assert [prompt.transcript for prompt in prompts] == ["at 400.0", "at 200.0", "at 300.0"]
    for prompt, hz in zip(prompts, (400, 200, 300), strict=True):
        np.testing.assert_array_equal(prompt.codes, encoder.codes_of(recording(hz)))
    assert encoder.calls == 3, "they were encoded when the voice was added"


def test_an_unknown_voice_is_not_found_and_no_id_reaches_the_store(make: Make) -> None:
    service = make()
    with pytest.raises(NotFoundError, match="no voice 'anna'"):
        service.resolve(VoiceAsk("anna"))
    for text in ("../anna", "", "Anna"):
        with pytest.raises(InvalidArgumentError):
            service.resolve(VoiceAsk(text))
        with pytest.raises(InvalidArgumentError):
            add(service, replace(anna(), id=text))
        with pytest.raises(InvalidArgumentError):
            remove(service, text)


def test_a_voice_that_has_gone_is_not_found(make: Make) -> None:
    service, other_server = make(), make()
    add(service, anna())
    assert service.resolve(VoiceAsk("anna"))
    remove(other_server, "anna")
    with pytest.raises(NotFoundError):
        service.resolve(VoiceAsk("anna"))
    with pytest.raises(NotFoundError):
        remove(service, "anna")


def test_a_voice_that_was_replaced_elsewhere_sounds_new_at_once(make: Make, encoder: CountedEncoder) -> None:
    service, other_server = make(), make()
    add(service, anna(200.0))
    service.resolve(VoiceAsk("anna"))
    add(other_server, anna(400.0))
    np.testing.assert_array_equal(service.resolve(VoiceAsk("anna"))[0].codes, encoder.codes_of(recording(400)))


def settled(condition: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return condition()


def test_codes_of_another_codec_are_made_anew_and_kept(make: Make, encoder: CountedEncoder, tmp_path: Path) -> None:
    old, new = make("old"), make("new")
    add(old, anna(200.0, 300.0))
    asked = [new.submit(VoiceAsk("anna")) for _ in range(8)]
    assert all(len(future.result()) == 2 for future in asked)
    assert encoder.calls == 4
    store = FolderStore(tmp_path / "voices")
    assert settled(lambda: all(each.fingerprint == "new" for each in store.get("anna").recordings))
    restarted = make("new")
    restarted.resolve(VoiceAsk("anna"))
    assert encoder.calls == 4


def test_a_voice_put_into_the_store_without_codes_is_encoded_at_first_use(
    make: Make, encoder: CountedEncoder, tmp_path: Path
) -> None:
    FolderStore(tmp_path / "voices").put(anna())
    prompts = make().resolve(VoiceAsk("anna"))
    np.testing.assert_array_equal(prompts[0].codes, encoder.codes_of(recording(220)))


def test_the_caches_stay_within_their_bytes(make: Make) -> None:
    service = make(cache_bytes=4000)  # codes of 1.5 s are 1320 bytes
    for hz in range(200, 1000, 100):
        service.resolve(reference(hz))
        assert service.stats().encodings.size_bytes <= 4000
    assert service.stats().encodings.evictions == 5


def test_closing_ends_whoever_waits(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    encoder.gate.clear()
    waiting = [service.submit(reference(hz)) for hz in range(200, 800, 100)]
    assert settled(lambda: encoder.calls == 1)
    closing = threading.Thread(target=service.close)
    closing.start()
    time.sleep(0.1)
    encoder.gate.set()
    closing.join()
    errors = [future.exception(1) for future in waiting]
    assert all(error is None or isinstance(error, UnavailableError) for error in errors)
    assert any(errors)
    with pytest.raises(UnavailableError):
        service.submit(reference())


def test_operations_answer_in_json(make: Make) -> None:
    service = make()
    add = VoiceCommand(VoiceOperation.ADD, "anna", anna(200.0).recordings, {"language": "de"})
    told = service.run(add).result()
    assert '"id": "anna"' in told
    assert '"seconds": 1.53' in told
    assert service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result() == told
    assert service.run(VoiceCommand(VoiceOperation.LIST)).result() == '["anna"]'
    assert service.run(VoiceCommand(VoiceOperation.REMOVE, "anna")).result() == '{"id": "anna"}'
    assert service.run(VoiceCommand(VoiceOperation.LIST)).result() == "[]"
    with pytest.raises(S1Error):
        service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result()


def change(service: VoiceService, voice_id: str, **changed: Any) -> str:
    command = VoiceCommand(VoiceOperation.CHANGE, voice_id, change=VoiceChange(**changed))
    return service.run(command).result()


def test_a_change_keeps_recordings_and_codes(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    command = VoiceCommand(VoiceOperation.ADD, "anna", anna(200.0, 300.0).recordings, {"title": "Anna", "tags": [1]})
    service.run(command).result()
    before = service.resolve(VoiceAsk("anna"))
    told = json.loads(change(service, "anna", metadata={"title": "Bernd", "tags": None}, transcripts=("one", "two")))
    assert told["metadata"] == {"title": "Bernd"}
    after = service.resolve(VoiceAsk("anna"))
    assert [prompt.transcript for prompt in after] == ["one", "two"]
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was.codes, now.codes)
    assert encoder.calls == 2, "nothing was encoded again"


def test_a_voice_gets_another_id(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    add(service, anna())
    add(service, replace(anna(), id="taken"))
    before = service.resolve(VoiceAsk("anna"))
    calls = encoder.calls
    with pytest.raises(InvalidArgumentError, match="new_id: there is a voice 'taken' already"):
        change(service, "anna", new_id="taken")
    change(service, "anna", new_id="clara")
    np.testing.assert_array_equal(service.resolve(VoiceAsk("clara"))[0].codes, before[0].codes)
    with pytest.raises(NotFoundError):
        service.resolve(VoiceAsk("anna"))
    assert encoder.calls == calls


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, "operation: changes nothing"),
        ({"transcripts": ("one", "two")}, "reference_text: has 2 values for 1 recordings"),
        ({"transcripts": ("...",)}, "reference_text: has no letter"),
        ({"transcripts": ("word " * 50,)}, "reference_text: has 250 characters, which cannot be said"),
        ({"new_id": "../anna"}, "new_id: got"),
        ({"metadata": {"much": "a" * 70_000}}, "metadata: has 7"),
    ],
)
def test_a_change_that_does_not_fit_leaves_the_voice(make: Make, changed: dict[str, Any], fault: str) -> None:
    service = make()
    add(service, anna())
    shown = service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result()
    with pytest.raises(InvalidArgumentError, match=fault):
        change(service, "anna", **changed)
    assert service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result() == shown
    with pytest.raises(NotFoundError):
        change(service, "nobody", metadata={})


def test_of_two_changes_at_once_none_is_lost(make: Make) -> None:
    one, other = make(), make()
    add(one, anna())
    names = [str(number) for number in range(20)]
    commands = [VoiceCommand(VoiceOperation.CHANGE, "anna", change=VoiceChange({name: True})) for name in names]
    running = [(one, other)[number % 2].run(command) for number, command in enumerate(commands)]
    for each in running:
        each.result()
    shown = json.loads(one.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result())
    assert shown["metadata"] == dict.fromkeys(names, True)


def test_the_service_loads_from_settings(checkpoint: Path) -> None:
    threads = torch.get_num_threads()
    service = VoiceService.load(Settings(checkpoint=checkpoint, device="cpu"))
    torch.set_num_threads(threads)
    assert service.resolve(reference())[0].codes.shape == (10, 33)
    service.close()


def test_a_fingerprint_is_of_the_encoder_alone(checkpoint: Path, tmp_path: Path) -> None:
    first = codec_fingerprint(checkpoint)
    assert first == codec_fingerprint(checkpoint)
    tensors = torch.load(checkpoint / "codec.pth", weights_only=True)
    prints = []
    for number, (key, place) in enumerate((("decoder.model.0.conv.bias", 0), ("encoder.block.0.conv.bias", 0))):
        changed = {name: tensor.clone() for name, tensor in tensors.items()}
        changed[key][place] += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        torch.save(changed, folder / "codec.pth")
        (folder / "codec.json").write_bytes((checkpoint / "codec.json").read_bytes())
        prints.append(codec_fingerprint(folder))
    assert prints[0] == first
    assert prints[1] != first


def test_a_voice_in_memory_goes_on_while_its_store_is_away(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = make()
    service.store.put(Voice("anna", (Recording(recording(), "Words."),)))
    spoken = service.resolve(VoiceAsk("anna"))

    def away(*_: object) -> str:
        raise UnavailableError("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(service.store, "version", away)
        assert service.resolve(VoiceAsk("anna")) == spoken
        assert "the store is away" in caplog.text
        assert service.stats().unconfirmed == 1
        patch.setattr(service.store, "get", away)
        with pytest.raises(UnavailableError):
            service.resolve(VoiceAsk("berta"))
        patch.setattr("s1_tts.voices.service.MAX_UNCONFIRMED_S", -1.0)
        patch.setattr("s1_tts.voices.service.RETRY_STORE_S", 0.0)
        service._voices.peek("anna").checked_s = 0.0
        with pytest.raises(UnavailableError):
            service.resolve(VoiceAsk("anna"))
    service.store.delete("anna")
    service._voices.peek("anna").checked_s = 0.0
    with pytest.raises(NotFoundError):
        service.resolve(VoiceAsk("anna"))


def test_recordings_under_way_are_bounded_in_bytes(tmp_path: Path, encoder: CountedEncoder) -> None:
    sound = recording()
    store = FolderStore(tmp_path / "voices")
    service = VoiceService(
        store, encoder, "one", cache_bytes=10**6, max_waiting=64, recordings_bytes=int(2.5 * len(sound))
    )
    encoder.gate.clear()
    asks = [VoiceAsk(recordings=(Recording(recording(hz), "Words."),)) for hz in (200.0, 300.0, 400.0)]
    waiting = [service.submit(asks[0]), service.submit(asks[1])]
    with pytest.raises(UnavailableError, match="MB are under way already"):
        service.submit(asks[2])
    assert service.stats().recording_bytes == 2 * len(sound)
    assert service.stats().refused == 1
    encoder.gate.set()
    for each in waiting:
        each.result()
    assert service.submit(asks[2]).result()
    assert service.stats().recording_bytes == 0
    service.close()


def test_recordings_that_wait_refuse_no_stored_voice_and_no_list(make: Make, encoder: CountedEncoder) -> None:
    service = make(max_waiting=2)
    service.run(VoiceCommand(VoiceOperation.ADD, "kept", (Recording(recording(), "words"),))).result()
    encoder.gate.clear()
    slow = [service.submit(reference(hz)) for hz in (300, 400)]
    try:
        with pytest.raises(UnavailableError, match="2 requests wait"):
            service.submit(reference(500))
        assert service.resolve(VoiceAsk(voice="kept"))
        assert "kept" in service.run(VoiceCommand(VoiceOperation.LIST)).result()
    finally:
        encoder.gate.set()
    assert all(future.result() for future in slow)
