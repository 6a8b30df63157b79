"""The service of voices is bounded: who waits, what is kept, what is under way."""

import threading
import time
from pathlib import Path

import pytest

from s1_protocol.errors import UnavailableError
from s1_protocol.names import VoiceOperation
from s1_tts.voices.folder import FolderStore
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice import Recording
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.voices.voice_command import VoiceCommand
from tests.unit.voices.serving import CountedEncoder, Make, add, anna, reference, settled
from tests.unit.voices.sounds import recording


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
