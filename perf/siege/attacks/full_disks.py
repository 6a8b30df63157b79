"""Full disks under the log, the voice store, the sound of jobs and Redis: who is served beside them, who is told."""

import asyncio
from contextlib import ExitStack

from perf.siege.attack import Siege
from perf.siege.attacks.store_away import remove_voice, store_voice
from perf.siege.doors import Ask, job_sound, openai, submit_job
from perf.siege.proof import ASK
from perf.siege.tally import Tally, ToldError, settled

VOICE = Ask("Hello.", voice="before", max_frames=8)


async def attack(siege: Siege, tally: Tally) -> None:
    """Fill one disk after the other, and then all at once."""
    place = siege.place
    await store_voice(siege, VOICE.voice)
    right = await openai(place, VOICE)
    with place.disks.log.full():
        await siege.proof.ask_streams(place, tally, siege.number(4, 16), may_be_told=False)
        await siege.proof.ask_doors(place, tally, may_be_told=False)
    with place.disks.voices.full():
        await tally.note_refused(store_voice(siege, "no-room"), "a voice without room for it")
        await tally.note_sound(openai(place, VOICE), right, "a voice stored before", may_be_told=False)
        await siege.proof.ask_doors(place, tally, may_be_told=False)
    await tally.note_sound(openai(place, VOICE), right, "a voice stored before, with room again", may_be_told=False)
    await _jobs_without_room(siege, tally)
    await remove_voice(siege, VOICE.voice)


async def _jobs_without_room(siege: Siege, tally: Tally) -> None:
    """What was taken is spoken once there is room, or told to have failed."""
    disks = siege.place.disks
    taken: list[str] = []
    with ExitStack() as full:
        full.enter_context(disks.sound.full())
        taken += await _submit(siege, tally)
        await asyncio.sleep(1.0)
        full.enter_context(disks.redis.full())
        await asyncio.sleep(1.5)  # Redis writes its file once a second
        taken += await _submit(siege, tally)
        await siege.proof.ask_streams(siege.place, tally, 2, may_be_told=False)
    for job_id in taken:
        sound = job_sound(siege.place, job_id)
        await tally.note_sound(sound, siege.proof.sounds["job"], f"job {job_id}", may_be_told=True)


async def _submit(siege: Siege, tally: Tally) -> list[str]:
    made = [await settled(submit_job(siege.place, ASK)) for _ in range(siege.number(2, 8))]
    for each in made:
        tally.note(isinstance(each, str | ToldError), f"a job: {each!r}")
    return [each for each in made if isinstance(each, str)]
