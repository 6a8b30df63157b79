"""Texts for the voice to learn from: everyday sentences, and runs of the commonest words so that each comes often.

The patterns are this repository's own; the words of the runs and their order by frequency are wordfreq's (Robyn Speer;
data CC BY-SA 4.0).
"""

import random
from collections.abc import Iterator

import regex

from s1_training.held_out import HeldOutCheck
from s1_training.phrases import FILLERS, PATTERNS, SHORT

NUM_WORDS = 6000
"""Commonest words of English that come evenly often; 20 hours hold each some 12 times."""

RUN_SHARE, SHORT_SHARE = 0.6, 0.05
NUM_SENTENCES = (1, 2, 3, 4, 5)
NUM_SENTENCES_WEIGHTS = (65, 15, 8, 6, 6)
MAX_CHARACTERS = 280
"""The server gives parts of up to 300 characters."""

NUM_LINKING_WORDS = 60
LINKING_SHARE = 0.3
COMMA_SHARE = 0.1
RUN_WORDS = (3, 12)

_SLOT = regex.compile(r"\{(\w+)\}")
_WORD = regex.compile(r"[a-z]{2,}|a|i")


class TrainingTexts:
    """An endless row of texts; the same seed gives the same row.

    Args:
        seed: Seed of the row.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = everyday_words(NUM_WORDS)
        self._deck: list[str] = []
        self._held_out = HeldOutCheck()

    def __iter__(self) -> Iterator[str]:
        """Texts of one sentence, at times of up to five; none holds a held-out sentence."""
        while True:
            count = self._random.choices(NUM_SENTENCES, NUM_SENTENCES_WEIGHTS)[0]
            text = self._sentence()
            for sentence in (self._sentence() for _ in range(count - 1)):
                if len(text) + 1 + len(sentence) <= MAX_CHARACTERS:
                    text = f"{text} {sentence}"
            if not self._held_out.is_in(text):
                yield text

    def _sentence(self) -> str:
        kind = self._random.random()
        if kind < SHORT_SHARE:
            return self._random.choice(SHORT.split("|"))
        return self._run() if kind < SHORT_SHARE + RUN_SHARE else self._filled()

    def _filled(self) -> str:
        text = _SLOT.sub(lambda slot: self._fill(slot[1]), self._random.choice(PATTERNS))
        return text[0].upper() + text[1:]

    def _fill(self, slot: str) -> str:
        if slot == "digits":
            return " ".join(self._random.choices("0123456789", k=self._random.randint(3, 7)))
        if slot == "letters":
            return " ".join(self._random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=self._random.randint(1, 4)))
        return self._random.choice(FILLERS[slot].split("|"))

    def _run(self) -> str:
        words = []
        for _ in range(self._random.randint(*RUN_WORDS)):
            if self._random.random() < LINKING_SHARE:
                words.append(self._words[self._random.randrange(NUM_LINKING_WORDS)])
            else:
                words.append(self._deal())
        marked = [word + ("," if self._random.random() < COMMA_SHARE else "") for word in words[:-1]]
        text = " ".join([*marked, words[-1]]) + self._random.choice("....?!")
        return text[0].upper() + text[1:]

    def _deal(self) -> str:
        """The next card of a shuffled deck of all words: none comes again before all have come."""
        if not self._deck:
            self._deck = self._random.sample(self._words, len(self._words))
        return self._deck.pop()


def everyday_words(count: int) -> list[str]:
    """The commonest words of English, the commonest first.

    Args:
        count: How many.
    """
    from wordfreq import top_n_list  # noqa: PLC0415  # takes a second and is of the extra `train`

    return [word for word in top_n_list("en", 2 * count) if _WORD.fullmatch(word)][:count]
