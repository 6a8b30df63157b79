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
measure() { "$python" -m perf "$1" --checkpoint "$weights/dev-full" --device cuda --out "$results" "${@:2}"; }
for dtype in bfloat16 float32; do
  measure lm --dtype "$dtype" --memory-requests 1000 --repeats 50
done
measure codec
"$python" -m perf bench --full "$weights/dev-full" --only full --device cuda --out "$results"
"$python" -m perf report "$results"
