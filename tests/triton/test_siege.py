"""The server stands an attack: all is answered or refused with a reason, nothing is held, and its sound is the same."""

import os

import numpy as np

from tests.triton.callers import collect, joined, num_open, read_metrics, until
from tests.triton.siege import Target, besiege, table_of

ROUNDS = int(os.environ.get("SIEGE_ROUNDS", "1"))
SPOKEN = {"text": "Hello there.", "max_frames": 12, "seed": 7}


async def test_the_server_stands_a_siege(server, client):
    before = joined(await collect(client, **SPOKEN))
    tallies = await besiege(Target(client, server.ports.http), ROUNDS)
    print("", *table_of(tallies), sep="\n")
    assert {name: tally.lost for name, tally in tallies.items() if tally.lost} == {}
    assert await until(lambda: num_open(server) == 0)
    assert await until(lambda: read_metrics(server)["s1_codec_active_streams"] == 0)
    np.testing.assert_array_equal(joined(await collect(client, **SPOKEN)), before)
