"""What was read of another model is kept until it is let go, and bounded."""

import weakref
from collections.abc import Iterator

from s1_tts.triton.spent_answers import MOST_KEPT, SpentAnswers


class Answers:
    """An iterator that can be watched."""

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        raise StopIteration


class Request:
    def __init__(self) -> None:
        self.made: list[weakref.ref[Answers]] = []

    def exec(self, *, decoupled: bool) -> Answers:
        assert decoupled
        answers = Answers()
        self.made.append(weakref.ref(answers))
        return answers

    @property
    def num_alive(self) -> int:
        return sum(each() is not None for each in self.made)


def test_an_answer_outlives_its_loop_until_it_is_let_go() -> None:
    request, spent = Request(), SpentAnswers()
    for _ in range(3):
        assert list(spent.read(request)) == []
    assert request.num_alive == 3
    spent.let_go()
    assert request.num_alive == 0


def test_what_is_never_let_go_is_bounded() -> None:
    request, spent = Request(), SpentAnswers()
    for _ in range(3 * MOST_KEPT):
        list(spent.read(request))
    assert request.num_alive == MOST_KEPT
