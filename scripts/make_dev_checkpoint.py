"""Write a development checkpoint: random weights in the published format, which make noise and not words."""

import argparse
import time
from pathlib import Path

from s1_protocol.notices import NOISE_NOTICE
from s1_training.development.checkpoint import SIZES, write_dev_checkpoint


def main() -> None:
    """Parse the command line and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES, help="tiny: a few MB; full: the published sizes, 3.6 GB")
    parser.add_argument("folder", type=Path, help="where to write it")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights")
    arguments = parser.parse_args()
    started_s = time.monotonic()
    write_dev_checkpoint(arguments.folder, arguments.size, arguments.seed)
    size_mb = sum(file.stat().st_size for file in arguments.folder.iterdir()) / 1e6
    print(f"{arguments.folder}: {arguments.size}, {size_mb:.0f} MB, {time.monotonic() - started_s:.1f} s")
    print(NOISE_NOTICE)


if __name__ == "__main__":
    main()
