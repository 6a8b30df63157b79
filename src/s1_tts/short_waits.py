"""How long threads of a team look for each other before they sleep: a choice of the process's environment.

GNU's OpenMP, which torch brings and compiled layers share, reads it once, when torch is loaded. Left to itself, a
thread that waits asks for 20 ms. When threads outnumber cores, that keeps the one it waits for from the core: a step
of the language model on a busy machine then took 1 to 2 s instead of 0.2.
"""

import os
from collections.abc import Mapping

_SPIN_COUNT = "GOMP_SPINCOUNT"
_POLICY = "OMP_WAIT_POLICY"

SHORT_WAITS: Mapping[str, str] = {_SPIN_COUNT: "2000"}
"""Environment of the models' processes: a thread asks so many times, about 0.1 ms, and then sleeps."""


def waits_are_short() -> bool:
    """Whether this process was started with short waits."""
    return bool(os.environ.get(_SPIN_COUNT)) or os.environ.get(_POLICY, "").lower() == "passive"
