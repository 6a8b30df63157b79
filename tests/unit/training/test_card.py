"""The card tells what a reader of the shipped voice must know."""

from pathlib import Path

import numpy as np

from s1_training.card import write_card
from s1_training.codes import CodedCorpus
from s1_training.evaluation import Evaluation
from s1_training.listening import Understood
from tests.unit.training.conftest import PLAN


def test_the_card_tells_origin_figures_and_limits(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(bytes(1_200_000))
    coded = CodedCorpus(["a", "b"], np.array([0, 77_000, 155_040]), np.zeros((2, 155_040), np.int16))
    figures = [Understood(words=0.9 - 0.1 * place, picks=0.98) for place in range(4)]
    result = Evaluation(*figures, ended=1.0, mean_length=1.05, encoder_agreement=0.5)
    write_card(tmp_path, PLAN, coded, result)
    card = " ".join((tmp_path / "MODEL_CARD.md").read_text().split())
    for told in (
        "It is not S1-mini",
        "no human voice",
        "2.0 h, 2 texts",
        "Seed 3; 5 steps of the codec's decoder",
        "commit ",
        "wordfreq",
        "Licence: Apache-2.0",
        "Size: 1.2 MB",
        "| text to speech | 60.0% | 98% |",
        "100% of the sentences ended by themselves",
        "mean length 1.05 times",
    ):
        assert told in card, told
