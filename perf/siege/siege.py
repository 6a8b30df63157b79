"""Attack a server, gateway, worker and Redis of its own; ends with a table, and with code 1 if anything was lost.

    python -m perf siege --checkpoint DIR [--minutes 30] [--only "a flood"] [--small]

Attacks that are to end nothing take turns for two thirds of the time; then come those that kill and stop programs, each
at least once. All means are harmless to other people's software. After each attack

- the server answers, a replaced one too, and so does the gateway;
- every door gives the very samples that it gave before the siege;
- no slot, stream, socket or open file is held, and no shared memory of a server that is gone.

Full disks and a full ``/dev/shm`` need a mount namespace of the siege's own; where nothing can be mounted, the table
says so. With ``--small`` each attack is made once, with few tries, and what ends nothing is looked at once together. A
small siege is recorded only with ``--out``.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from perf.errors import MeasurementError
from perf.load.memory import Trend, trend
from perf.measurement import add_subject, recorder
from perf.siege import aftermath
from perf.siege.attack import Attack, Siege
from perf.siege.figures import SiegeFigures
from perf.siege.place import Place, besieged
from perf.siege.plan import ATTACKS
from perf.siege.proof import Proof
from perf.siege.small_disks import OWN_MOUNTS, enter_own_mounts
from perf.siege.tally import Tally, table_of

PEACEFUL_SHARE = 0.65
"""Of the time, for attacks that are to end nothing."""

WARM_UP_SHARE = 0.3
FEWEST_ROUNDS = 6
"""Rounds, without the warm-up, that memory is judged by."""

SLOPE_LIMIT_MB = 1.0
"""Growth of a program's memory a minute that counts as flat."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)s)")
    parser.add_argument("--small", action="store_true", help="each attack once, with few tries")
    parser.add_argument("--only", nargs="*", metavar="ATTACK", choices=[attack.name for attack in ATTACKS])
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--folder", type=Path, help="where everything writes; default: a new temporary folder")
    parser.add_argument(OWN_MOUNTS, action="store_true", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> None:
    """Besiege, print the table, record.

    Raises:
        MeasurementError: something was lost; all of it is in the message.
    """
    no_mounts = "" if arguments.in_own_mounts else enter_own_mounts()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="s1-siege-"))
    is_recorded = not arguments.only and (not arguments.small or arguments.out)
    made = recorder("siege", arguments) if is_recorded else None
    figures = asyncio.run(_besiege(arguments, folder, no_mounts))
    print("", *table_of(figures.tallies), sep="\n")
    print(*_words(figures), f"logs: {folder}", sep="\n")
    if made is not None:
        made.record(arguments.checkpoint.name + (", small" if arguments.small else ""), figures)
        print(f"recorded in {made.file}")
    if figures.lost:
        raise MeasurementError("\n".join([f"lost: {len(figures.lost)}", *figures.lost]))


async def _besiege(arguments: argparse.Namespace, folder: Path, no_mounts: str) -> SiegeFigures:
    started_s = time.monotonic()
    ends_s = started_s + 60 * arguments.minutes
    chosen = [attack for attack in ATTACKS if _is_chosen(attack, arguments)]
    tallies = {attack.name: Tally() for attack in chosen}
    rounds: list[tuple[float, dict[str, float]]] = []
    async with besieged(arguments.checkpoint.resolve(), folder, no_mounts) as place:
        siege = Siege(place, await Proof.of(place), random.Random(arguments.seed), arguments.small)
        files = aftermath.open_files(place)
        peaceful = [attack for attack in chosen if not attack.is_deadly]
        deadly = [attack for attack in chosen if attack.is_deadly]
        peaceful_until_s = started_s + PEACEFUL_SHARE * 60 * arguments.minutes
        while peaceful and (not rounds or (not arguments.small and time.monotonic() < peaceful_until_s)):
            for attack in siege.chance.sample(peaceful, len(peaceful)):
                await _make(attack, siege, tallies[attack.name], None if arguments.small else files)
            if arguments.small:
                tallies["after all of these"] = Tally()
                await aftermath.look(place, siege.proof, tallies["after all of these"], files)
            rounds.append((time.monotonic(), aftermath.memory_mb(place)))
            print("at rest:", ", ".join(f"{name} {size:.0f} MB" for name, size in rounds[-1][1].items()), flush=True)
        num_deadly = 0
        while deadly and (not num_deadly or (not arguments.small and time.monotonic() < ends_s)):
            for attack in deadly:
                await _make(attack, siege, tallies[attack.name], files)
            num_deadly += 1
        started = {daemon.name: len(daemon.codes) for daemon in place.daemons}
        replaced = place.server.num_ready - 1 - started["server"]
    memory = _judge_memory(rounds, tallies)
    await _note_remains(place, tallies)
    minutes = (time.monotonic() - started_s) / 60
    return SiegeFigures(arguments.small, minutes, len(rounds), replaced, started, tallies, memory)


def _is_chosen(attack: Attack, arguments: argparse.Namespace) -> bool:
    if arguments.only:
        return attack.name in arguments.only
    return attack.is_in_small or not arguments.small


async def _make(attack: Attack, siege: Siege, tally: Tally, files: Mapping[str, int] | None) -> None:
    """Make an attack once, and look at what it left behind, unless that is to be done later."""
    place = siege.place
    if attack.needs_mounts and place.no_mounts:
        tally.not_tried = place.no_mounts
        return
    begun_s = time.monotonic()
    before = place.process_ids()
    num_lost = len(tally.lost)
    try:
        await attack.run(siege, tally)
        if files is not None:
            await aftermath.look(place, siege.proof, tally, files)
    except Exception as error:  # noqa: BLE001, RUF100 - an attack that breaks off is itself something lost
        tally.note(False, f"the attack broke off: {error!r}")
    if not attack.is_deadly:
        tally.note(place.process_ids() == before, "a program ended that nobody had killed")
    tally.seconds += time.monotonic() - begun_s
    print(f"{attack.name}: {tally.held} of {tally.tried} held, {time.monotonic() - begun_s:.0f} s", flush=True)
    for what in tally.lost[num_lost:]:
        print(f"  lost: {what}", flush=True)


def _judge_memory(rounds: Sequence[tuple[float, dict[str, float]]], tallies: dict[str, Tally]) -> list[Trend]:
    """Trends of memory at rest; counted where there are rounds enough to tell."""
    judged = rounds[int(WARM_UP_SHARE * len(rounds)) :]
    if len(judged) < FEWEST_ROUNDS:
        return []
    tally = tallies["memory at rest"] = Tally()
    names = sorted({name for _, sizes in judged for name in sizes})
    trends = [trend(name, [(at_s, sizes[name]) for at_s, sizes in judged if name in sizes]) for name in names]
    found = [each for each in trends if each is not None]
    for each in found:
        growth = f"{each.name} grows by {each.slope_mb_per_min:.2f} MB a minute"
        tally.note(not each.grows_over(SLOPE_LIMIT_MB), growth)
    return found


async def _note_remains(place: Place, tallies: dict[str, Tally]) -> None:
    """Everything has been stopped: nothing of it may be left."""
    tally = tallies["after the end"] = Tally()
    for daemon in place.daemons:
        tally.note(not daemon.family(), f"{daemon.name} lives on")
    if not place.no_mounts:
        left = [each.name for each in place.disks.shared_memory.folder.iterdir()]
        tally.note(not left, f"left in shared memory: {left}")


def _words(figures: SiegeFigures) -> list[str]:
    """What the table does not say."""
    lines = [f"{figures.minutes:.1f} minutes, {figures.rounds} rounds of what ends nothing"]
    lines.append(
        f"the server was replaced {figures.replaced} times by --restart; started again: {dict(figures.started)}"
    )
    for name, tally in figures.tallies.items():
        lines += [f"{name}: {what} {value:.4g}" for what, value in tally.figures.items()]
    return lines
