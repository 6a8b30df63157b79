"""Train the demo voice from nothing: text, speech, codes, codec, language model. Resumes where it was interrupted."""

import argparse
import shutil
from pathlib import Path

from s1_training.plan import TrainingPlan
from s1_training.run import VoiceTraining

MINUTES_WORTH_COMPILING = 30


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the work on it")
    parser.add_argument("--minutes", type=float, default=150.0, help="time in all (default: 150)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything (default: 0)")
    arguments = parser.parse_args()
    plan = TrainingPlan.of_minutes(arguments.minutes, arguments.seed)
    use_compile = arguments.minutes >= MINUTES_WORTH_COMPILING and shutil.which("g++") is not None
    VoiceTraining(arguments.out, plan, use_compile=use_compile).run()


if __name__ == "__main__":
    main()
