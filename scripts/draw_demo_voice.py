"""Draw what `make demo` said beside espeak-ng's own speech of the same text: waveform and spectrogram."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from demo import SENTENCE
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from s1_training.speech import SAMPLE_RATE, Samples, Speaker, write_voice_data

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "demo_voice.png"
SPECTRUM, STEP = 1024, 256
TOP_HZ = 8000
FLOOR_DB = -120
SILENCE = 1e-7


def original_of(text: str) -> Samples:
    """What espeak-ng says, in the voice that the demo voice learned from."""
    with tempfile.TemporaryDirectory() as folder:
        write_voice_data(Path(folder))
        return Speaker(Path(folder)).say(text)


def draw(samples: Samples, title: str, wave: Axes, spectrogram: Axes) -> None:
    """Draw one recording in a column."""
    wave.plot(np.arange(len(samples)) / SAMPLE_RATE, samples, linewidth=0.3)
    wave.set(title=f"{title}, {len(samples) / SAMPLE_RATE:.2f} s", ylim=(-1, 1), ylabel="amplitude")
    hiss = np.random.default_rng(0).normal(scale=SILENCE, size=len(samples))  # silence has no logarithm
    spectrogram.specgram(
        samples + hiss, NFFT=SPECTRUM, Fs=SAMPLE_RATE, noverlap=SPECTRUM - STEP, vmin=FLOOR_DB, cmap="magma"
    )
    spectrogram.set(ylim=(0, TOP_HZ), ylabel="Hz", xlabel="s")


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wav", type=Path, default=Path("out/demo.wav"), metavar="FILE", help="what was said")
    parser.add_argument("--text", default=SENTENCE, help="its text; the demo's sentence if left out")
    parser.add_argument("--picture", type=Path, default=PICTURE, metavar="FILE")
    arguments = parser.parse_args()
    said, rate_hz = soundfile.read(arguments.wav, dtype="float32")
    if rate_hz != SAMPLE_RATE:
        parser.error(f"{arguments.wav} has {rate_hz} samples a second; allowed: {SAMPLE_RATE}")
    figure, axes = plt.subplots(2, 2, figsize=(12, 5.5), layout="constrained", sharex=True, sharey="row")
    draw(original_of(arguments.text), "espeak-ng", *axes[:, 0])
    draw(said, "demo voice, streamed", *axes[:, 1])
    figure.savefig(arguments.picture, dpi=80)
    print(f"{arguments.picture}: {arguments.text}")


if __name__ == "__main__":
    main()
