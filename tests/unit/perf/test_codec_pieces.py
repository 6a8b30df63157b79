"""The simulated server with a codec that decodes chunks in pieces."""

import random
from dataclasses import replace

import pytest
from perf.capacity_parts import ServerShape
from perf.capacity_recording import Recording
from perf.capacity_run import hear_closed
from perf.capacity_workload import Notes
from perf.chunk_simulation import COSTS
from perf.codec_pieces import BEFORE, DEFAULT, RULES, cases

from s1_tts.lm.chunking import ChunkRules


@pytest.fixture(scope="module")
def requests():
    source = random.Random(1)
    return [Notes().draw(source) for _ in range(48)]


def test_every_chunk_is_heard_whatever_the_pieces(requests):
    costs = Recording.load(COSTS).costs
    for rule in (BEFORE, DEFAULT):
        ruled = replace(costs, codec_piece_frames=rule.piece_frames, codec_batch_frames=rule.batch_frames)
        heard = hear_closed(ruled, ServerShape(), requests, 8)
        assert [one.request for one in heard] == requests
        assert all(one.completed_s is not None for one in heard)


def test_pieces_let_fewer_streams_run_dry(requests):
    """A slow codec, eight streams at a time, and a language model well ahead of playback: chunks are large."""
    case = next(case for case in cases(Recording.load(COSTS).costs) if case.concurrency == 8 and case.codec_share)
    (before, before_s), (pieces, pieces_s) = (case.dry(requests, rule, ChunkRules()) for rule in (BEFORE, DEFAULT))
    assert sum(pieces) <= sum(before)
    assert pieces_s <= before_s


def test_the_server_s_own_rule_is_among_those_compared():
    assert DEFAULT in RULES
