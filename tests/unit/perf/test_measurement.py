"""Calls timed in turns."""

from perf.measurement import best_s, in_turns


def test_calls_take_turns_and_every_second_round_is_the_other_way_round() -> None:
    order: list[str] = []
    times = in_turns([lambda: order.append("a"), lambda: order.append("b")], 3, warm_up=1)
    assert "".join(order) == "ba" + "ab" + "ba" + "ab"
    assert [len(taken) for taken in times] == [3, 3]


def test_several_calls_in_a_turn() -> None:
    order: list[str] = []
    times = in_turns([lambda: order.append("a"), lambda: order.append("b")], 1, warm_up=0, calls_a_round=2)
    assert order == ["a", "a", "b", "b"]
    assert [len(taken) for taken in times] == [2, 2]


def test_the_best_leaves_out_the_warm_up() -> None:
    calls: list[int] = []
    assert best_s(lambda: calls.append(1), 4, warm_up=2) >= 0
    assert len(calls) == 6
