"""Fetch OpenAudio S1-mini from the Hugging Face hub with your own token, and verify it."""

import argparse
import signal
import sys
from pathlib import Path

from s1_tts.serving.download import LICENCE_NOTICE, PINNED_REVISION, DownloadError, download_checkpoint


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__} {LICENCE_NOTICE}", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("checkpoints/openaudio-s1-mini"), help="where to put it, 3.6 GB"
    )
    parser.add_argument("--revision", default=PINNED_REVISION, help="commit, branch or tag on the hub")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways to stop it leave what was fetched in place
    print(LICENCE_NOTICE)
    try:
        commit = download_checkpoint(arguments.folder, arguments.revision, tell=print)
    except DownloadError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what was fetched is kept, run the same command again to go on", file=sys.stderr)
        return 130
    print(f"{arguments.folder} is complete, at commit {commit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
