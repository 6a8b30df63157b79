"""The voice store goes away and comes back: its callers get an error, nobody else notices, and no voice is lost."""

from perf.siege.attack import Siege
from perf.siege.attacks.hostile_recordings import file_of, tone
from perf.siege.doors import Ask, http_of, openai
from perf.siege.tally import Tally, ToldError

NAME = "kept"
ASK = Ask("Hello.", voice=NAME, max_frames=8)


async def attack(siege: Siege, tally: Tally) -> None:
    """The folder is moved away while callers ask, and moved back."""
    place = siege.place
    await store_voice(siege, NAME)
    right = await openai(place, ASK)
    away = place.voices_folder.with_name("away")
    place.voices_folder.rename(away)
    try:
        await tally.note_sound(openai(place, ASK), right, "a voice whose store is away", may_be_told=True)
        await tally.note_refused(store_voice(siege, "lost"), "a voice that cannot be stored")
        await tally.note_refused(openai(place, Ask("Hello.", voice="never-stored")), "a voice that is nowhere")
        await siege.proof.ask_doors(place, tally, may_be_told=False)
    finally:
        if place.voices_folder.exists():
            place.voices_folder.rename(place.voices_folder.with_name("made-meanwhile"))
        away.rename(place.voices_folder)
    await tally.note_sound(openai(place, ASK), right, "a voice whose store is back", may_be_told=False)
    await remove_voice(siege, NAME)


async def store_voice(siege: Siege, name: str) -> None:
    """Store a voice through the gateway.

    Raises:
        ToldError: it was refused.
    """
    audio = file_of(tone(1.0), "WAV", "PCM_16")
    async with http_of(siege.place) as client:
        answer = await client.post(
            "/v1/audio/voices",
            data={"name": name, "ref_text": "What is said in it."},
            files={"audio_sample": ("voice.wav", audio, "audio/wav")},
        )
        if answer.status_code not in (200, 409):
            raise ToldError(f"{answer.status_code} {answer.text}")


async def remove_voice(siege: Siege, name: str) -> None:
    """Remove a voice, if it is there."""
    async with http_of(siege.place) as client:
        await client.delete(f"/v1/audio/voices/{name}")
