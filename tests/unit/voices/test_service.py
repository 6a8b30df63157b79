"""The engine of the voices with the real encoder of a tiny codec: right codes, once, for the right voice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from s1_protocol.errors import InvalidArgumentError, NotFoundError, UnavailableError
from s1_tts.settings import Settings
from s1_tts.voices.fingerprint import codec_fingerprint
from s1_tts.voices.folder import FolderStore
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice import Recording, Voice
from s1_tts.voices.voice_ask import VoiceAsk
from tests.unit.voices.serving import CountedEncoder, Make, add, anna, reference, remove, settled
from tests.unit.voices.sounds import recording


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
