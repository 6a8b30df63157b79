"""How well a voice is understood: a weak recogniser listens to the held-out sentences.

pocketsphinx with the English model that it brings. Two questions: which words does it hear, knowing the words of the
fifty sentences and which follow each other in them; and which of the fifty sentences does it take it for.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr

from s1_training.held_out import words_of
from s1_training.speech import SAMPLE_RATE, Samples

RECOGNISER_HZ: Final = 16_000
_START, _END = "<s>", "</s>"
_PICKS = "picks"
_DISCOUNT = 0.8  # of what is known about the next word; the rest is left for any word


@dataclass(frozen=True)
class Understood:
    """What was understood of some sentences.

    Args:
        words: Share of words that were heard right; insertions count against it.
        picks: Share of sentences that were picked among the others.
    """

    words: float
    picks: float


class Recogniser:
    """The recogniser, knowing some sentences.

    Args:
        sentences: All that may be said.
        folder: Where its language model is written; made if missing.
    """

    def __init__(self, sentences: Sequence[str], folder: Path) -> None:
        from pocketsphinx import Decoder  # noqa: PLC0415  # of the extra `train`

        folder.mkdir(parents=True, exist_ok=True)
        self._sentences = [words_of(sentence) for sentence in sentences]
        bigrams = folder / "bigrams.arpa"
        bigrams.write_text(bigram_model(self._sentences), encoding="ascii")
        self._decoder: Any = Decoder(
            lm=str(bigrams),
            samprate=RECOGNISER_HZ,
            cmn="batch",  # levels from the recording alone, not from those before it
            loglevel="FATAL",
        )
        self._words = self._decoder.current_search()
        self._decoder.add_jsgf_string(_PICKS, _grammar(self._sentences))

    def listen(self, recordings: Sequence[Samples], places: Sequence[int] | None = None) -> Understood:
        """Listen to recordings.

        Args:
            recordings: ``[samples]`` at 44.1 kHz each.
            places: Which sentence each of them says; left out, they are one of each sentence in their order.
        """
        errors = total = right = 0
        said = [self._sentences[place] for place in (range(len(self._sentences)) if places is None else places)]
        for sentence, samples in zip(said, recordings, strict=True):
            errors += edit_distance(sentence, self._hear(self._words, samples))
            total += len(sentence)
            right += self._hear(_PICKS, samples) == sentence
        return Understood(words=1 - errors / total, picks=right / len(said))

    def _hear(self, search: str, samples: Samples) -> tuple[str, ...]:
        lowered = soxr.resample(samples, SAMPLE_RATE, RECOGNISER_HZ)
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.start_utt()
        decoder.process_raw((np.clip(lowered, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return tuple(re.sub(r"\(\d+\)", "", found.hypstr).split()) if found else ()


def bigram_model(sentences: Sequence[tuple[str, ...]]) -> str:
    """A language model of the words of some sentences and of their neighbours, as an ARPA file.

    Args:
        sentences: Words of each.
    """
    marked = [(_START, *sentence, _END) for sentence in sentences]
    words = Counter(word for sentence in marked for word in sentence)
    pairs = Counter(pair for sentence in marked for pair in pairwise(sentence))
    total = sum(words.values())
    ones = [f"{np.log10(count / total):.4f} {word} {np.log10(1 - _DISCOUNT):.4f}" for word, count in words.items()]
    twos = [
        f"{np.log10(_DISCOUNT * count / words[first]):.4f} {first} {second}"
        for (first, second), count in sorted(pairs.items())
    ]
    head = f"\\data\\\nngram 1={len(ones)}\nngram 2={len(twos)}\n"
    return "\n".join([head, "\\1-grams:", *sorted(ones), "", "\\2-grams:", *twos, "", "\\end\\", ""])


def edit_distance(wanted: Sequence[str], heard: Sequence[str]) -> int:
    """Words to change, take out or put in to come from one to the other."""
    row = list(range(len(heard) + 1))
    for place, word in enumerate(wanted, 1):
        before, row[0] = row[0], place
        for index, other in enumerate(heard, 1):
            before, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, before + (word != other))
    return row[-1]


def _grammar(sentences: Sequence[tuple[str, ...]]) -> str:
    return f"#JSGF V1.0;\ngrammar sentences;\npublic <s> = {' | '.join(map(' '.join, sentences))};\n"
