"""The voice's model card."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from s1_protocol.version import package_version
from s1_training.codes import CodedCorpus
from s1_training.corpus import hours_of
from s1_training.evaluation import Evaluation
from s1_training.held_out import HELD_OUT
from s1_training.listening import Understood
from s1_training.plan import TrainingPlan
from s1_training.sentences import NUM_WORDS
from s1_training.speech import BASE_VARIANT, WORDS_A_MINUTE
from s1_training.voice_checkpoint import CARD_FILE


def write_card(folder: Path, plan: TrainingPlan, coded: CodedCorpus, result: Evaluation) -> None:
    """Write how the voice was made, how well it is understood, and what it is not.

    Args:
        folder: The checkpoint.
        plan: How it was trained.
        coded: What it learned from.
        result: How well it is understood.
    """
    size_mb = sum(file.stat().st_size for file in folder.iterdir() if file.name != CARD_FILE) / 1e6
    rows = (
        ("espeak-ng original", result.original),
        ("codec alone, learned codes", result.copy),
        ("codec alone, its own encoder", result.round_trip),
        ("text to speech", result.voice),
    )
    (folder / CARD_FILE).write_text(
        f"""# Demo voice

A small English voice in the format of S1-mini, so that the server says words on a machine without S1-mini's gated
weights. It is not S1-mini, contains nothing of it, and is no human voice: a monotone robot, learned from espeak-ng.

- Made by `scripts/train_demo_voice.py` of s1-tts {package_version()}, commit {_commit()}, {datetime.now(UTC):%Y-%m-%d}.
- Seed {plan.seed}; {plan.decoder_steps} steps of the codec's decoder, {plan.encoder_steps} of its encoder, \
{plan.lm_steps} of the language model; planned for {plan.minutes:g} minutes.
- Speech: espeak-ng, `en-us`, variant `{BASE_VARIANT}` without echo, roughness and flutter, one pitch (172.27 Hz), \
{WORDS_A_MINUTE} words a minute; {hours_of(int(coded.starts[-1])):.1f} h, {len(coded.phonemes)} texts.
- Texts: sentence patterns of this repository, and runs of the {NUM_WORDS} commonest words by wordfreq \
(Robyn Speer; data CC BY-SA 4.0).
- Input: phonemes by espeak-ng (`text.json`). English in Latin letters only.
- Licence: Apache-2.0, as this repository. Size: {size_mb:.1f} MB.

## How well it is understood

pocketsphinx with its English model, the {len(HELD_OUT)} held-out sentences, server's default options, seed 0.

| audio | words heard right | told from the other {len(HELD_OUT) - 1} |
|---|---|---|
{chr(10).join(_row(name, understood) for name, understood in rows)}

{result.ended:.0%} of the sentences ended by themselves within 1.5 times the original's length; mean length \
{result.mean_length:.2f} times. The encoder finds {result.encoder_agreement:.0%} of the semantic codes.
""",
        encoding="utf-8",
    )


def _commit() -> str:
    """Commit of the repository that this file is in, marked when files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def _row(name: str, understood: Understood) -> str:
    return f"| {name} | {understood.words:.1%} | {understood.picks:.0%} |"
