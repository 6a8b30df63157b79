"""Sound leaves at the speed of its playback, by a clock that the test moves."""

import asyncio

import pytest

from s1_gateway.pacing import ListenerStalledError, Pace, PacedSender


class Listener:
    """A clock, and a socket that notes when each message came."""

    def __init__(self, busy_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.busy_s = busy_s
        self.came: list[tuple[float, int]] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def take(self, message: bytes) -> None:
        self.now_s += self.busy_s
        self.came.append((self.now_s - 1000.0, len(message)))

    def sender(self, pace: Pace) -> PacedSender:
        return PacedSender(self.take, pace, clock=self.clock, sleep=self.sleep)


async def test_sound_is_never_further_ahead_than_the_pace() -> None:
    listener = Listener()
    sender = listener.sender(Pace(ahead_s=1.5))
    for index in range(100):  # ten seconds that are there at once
        await sender.send(bytes(4800), 0.1)
        sent_s, now_s = 0.1 * (index + 1), listener.now_s - 1000.0
        assert sent_s - now_s <= 1.5 + 0.1 + 1e-9
    assert listener.now_s - 1000.0 == pytest.approx(10 - 1.5 - 0.1, abs=0.01)
    assert sender.underruns == 0


async def test_the_first_sounds_are_not_held_up() -> None:
    listener = Listener()
    sender = listener.sender(Pace(ahead_s=1.0))
    for _ in range(10):
        await sender.send(bytes(100), 0.1)
    assert {when for when, _ in listener.came} == {0.0}


async def test_long_pieces_are_cut_into_small_messages_that_are_paced_each() -> None:
    listener = Listener()
    sender = listener.sender(Pace(ahead_s=1.0, piece_bytes=65_536))
    await sender.send(bytes(10 * 65_536 + 1), 11.0)
    assert [size for _, size in listener.came] == [65_536] * 10 + [1]
    assert listener.came[-1][0] == pytest.approx(9.0)


async def test_no_message_is_empty_but_the_clock_goes_on() -> None:
    listener = Listener()
    sender = listener.sender(Pace())
    await sender.send(b"", 0.5)
    assert listener.came == []
    assert sender.ahead_s == pytest.approx(0.5)


async def test_sound_that_comes_too_late_is_counted_and_not_made_up_for() -> None:
    listener = Listener()
    sender = listener.sender(Pace(ahead_s=1.0))
    await sender.send(bytes(10), 0.5)
    listener.now_s += 0.4
    await sender.send(bytes(10), 0.5)
    assert sender.underruns == 0
    listener.now_s += 3.0
    await sender.send(bytes(10), 0.5)
    assert sender.underruns == 1
    assert sender.ahead_s == pytest.approx(0.5)  # playback waited; the late sound did not go faster


async def test_a_listener_who_takes_nothing_is_given_up() -> None:
    async def never(message: bytes) -> None:
        await asyncio.Event().wait()

    sender = PacedSender(never, Pace(send_s=0.01))
    with pytest.raises(ListenerStalledError, match=r"took no sound for 0\.01 s"):
        await sender.send(b"sound", 0.1)


async def test_a_timeout_of_the_sockets_own_is_not_taken_for_ours() -> None:
    async def broken(message: bytes) -> None:
        raise TimeoutError("the socket's")

    with pytest.raises(TimeoutError, match="the socket's"):
        await PacedSender(broken, Pace(send_s=100)).send(b"sound", 0.1)


async def test_after_a_cancel_nothing_is_sent() -> None:
    listener = Listener()
    waiting = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    sender = PacedSender(listener.take, Pace(ahead_s=0.2, piece_bytes=100), clock=listener.clock, sleep=sleep)
    task = asyncio.create_task(sender.send(bytes(1000), 10.0))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(listener.came) == 1
