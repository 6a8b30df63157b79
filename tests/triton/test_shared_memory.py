"""What is refused as too large fills no shared memory for good: Triton copies it there before anybody can refuse it."""

import asyncio
import re
from pathlib import Path

import numpy as np
import psutil
import pytest
from tritonclient.utils import InferenceServerException

from s1_protocol.limits import MAX_RECORDING_BYTES
from s1_tts.serving.server import TritonServer
from tests.triton.callers import answer, collect

SHARED_MEMORY = Path("/dev/shm")
TOO_LARGE = MAX_RECORDING_BYTES + 1
AT_ONCE = 4


def taken_mb(server: TritonServer) -> float:
    """Room that a server takes."""
    command = " ".join(psutil.Process(server.process_id).cmdline())
    (prefix,) = re.findall(r"shm-region-prefix-name=(\S+)", command)
    return sum(each.stat().st_blocks * 512 for each in SHARED_MEMORY.glob(f"{prefix}*")) / 1e6


@pytest.mark.parametrize("call", [collect, answer])
async def test_large_requests_that_are_refused_take_their_room_once(server, client, call):
    """Rounds of them take no more than the first one, and the server speaks beside and after them."""
    audio = np.array([[bytes(TOO_LARGE)]], dtype=np.object_)

    async def refused() -> None:
        with pytest.raises(InferenceServerException, match="reference_audio"):
            await call(client, text="Hello.", reference_audio=audio, reference_text="Words.")

    await asyncio.gather(*(refused() for _ in range(AT_ONCE)))
    first_mb = taken_mb(server)
    for _ in range(3):
        await asyncio.gather(*(refused() for _ in range(AT_ONCE)))
        assert (await collect(client, text="Hello.", seed=1, max_frames=4))[-1].is_last
    # eight processes answer for s1_mini, and not each of them had one in the first round
    assert taken_mb(server) - first_mb < 8 * 3 * TOO_LARGE / 1e6
