#!/usr/bin/env bash
# Everything that waits for a CUDA device, in one go: the tests marked gpu, then the benchmarks at full size.
#
#   perf/gpu.sh [FOLDER]    results go to FOLDER, else to perf/results/<date>-<device>
#
# PYTHON chooses the interpreter (.venv/bin/python). Nothing is downloaded: the weights are random, of the true sizes.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

device=$("$python" -c 'import torch; print(torch.cuda.get_device_name().replace(" ", "-"))')
results=${1:-perf/results/$(date +%F)-$device}
weights=$(mktemp -d)
trap 'rm -rf "$weights"' EXIT
mkdir -p "$results"

GPU_RESULTS="$results" "$python" -m pytest tests/gpu tests/unit/codec -m gpu -ra | tee "$results/tests.txt"
"$python" scripts/make_dev_checkpoint.py full "$weights/dev-full"
for dtype in bfloat16 float32; do
  "$python" perf/lm.py --checkpoint "$weights/dev-full" --device cuda --dtype "$dtype" --json \
    --memory-requests 1000 --repeats 50 | tee "$results/lm-$dtype.txt"
done
"$python" perf/codec.py --checkpoint "$weights/dev-full" --device cuda --json | tee "$results/codec.txt"
"$python" perf/chunks.py --checkpoint "$weights/dev-full" --device cuda --concurrency 1 8 --json |
  tee "$results/chunks.txt"
