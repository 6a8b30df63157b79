"""A stream costs no thread, however many cores the machine has."""

import subprocess
import sys

ENCODE = """
import os
import numpy as np
from s1_gateway.encoding import AudioFormat, SoundEncoder, SoundSpec

allowed, before = os.sched_getaffinity(0), len(os.listdir("/proc/self/task"))
specs = [*map(SoundSpec, AudioFormat), SoundSpec(AudioFormat.PCM_S16LE, 8000), SoundSpec(AudioFormat.WAV, speed=1.5)]
encoders = [SoundEncoder(spec) for spec in specs for _ in range(3)]
for encoder in encoders:
    encoder.encode(np.zeros(20_000, np.int16))
assert os.sched_getaffinity(0) == allowed
print(len(os.listdir("/proc/self/task")) - before)
"""


def test_no_stream_of_any_format_starts_a_thread() -> None:
    done = subprocess.run([sys.executable, "-c", ENCODE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "0"
