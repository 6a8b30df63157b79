"""A model's sign of life, shown from a ticker's thread."""

from collections.abc import Callable, Iterable

from s1_tts.heartbeat import BEAT_S, Heartbeat, RoundClock, beats_folder, own_threads
from s1_tts.triton.ticker import Ticker


def start_life_sign(rounds: Iterable[RoundClock] = (), faults: Iterable[Callable[[], str | None]] = ()) -> Ticker:
    """Show that this process lives, until the ticker is closed.

    Args:
        rounds: Clocks of the model's engines. All threads that run now must run until then.
        faults: Each tells what else is wrong, if anything.
    """
    return Ticker("s1-life-sign", BEAT_S, Heartbeat(beats_folder(), own_threads(), rounds, faults).beat)
