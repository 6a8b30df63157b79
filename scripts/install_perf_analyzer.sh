#!/usr/bin/env bash
# Install Triton's perf_analyzer into a folder of its own, beside nothing of this project's environment.
#
#   scripts/install_perf_analyzer.sh [FOLDER]    then: FOLDER/perf_analyzer ...; FOLDER is .perf_analyzer if not given
#
# The wheel is the last one whose binary runs on Debian 12. PyPI's package perf-analyzer is empty there. libb64 comes
# from Debian's archive unless the system has it; neither root nor the rest of the system is touched.
# PYTHON chooses the interpreter whose pip downloads the wheels (.venv/bin/python).
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(realpath -s "${PYTHON:-.venv/bin/python}")
folder=$(realpath -m "${1:-.perf_analyzer}")

mkdir -p "$(dirname "$folder")"
new=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"

# --no-deps: the CUDA runtime is one library that the binary is linked against; nothing of it runs without a GPU.
"$python" -m pip install --quiet --no-deps --require-hashes --target "$new/packages" -r /dev/stdin <<'REQUIREMENTS'
tritonclient==2.51.0 --hash=sha256:c485bb0123bdf310f90bc8b03d3489b28df2ffed55b30c7eee0b795b48113d52
nvidia-cuda-runtime-cu12==12.9.79 --hash=sha256:25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3
REQUIREMENTS
mkdir "$new/lib"
mv "$new/packages/bin/perf_analyzer" "$new/packages/nvidia/cuda_runtime/lib/libcudart.so.12" "$new/lib"
rm -r "$new/packages"

if ! ldconfig -p | grep -q 'libb64\.so\.0d'; then
  # Quiet about apt's sandbox: root downloads as itself where apt's own user may not write.
  (cd "$new" && apt-get -qq -o APT::Sandbox::User=root download libb64-0d) || {
    echo "error: Debian's package libb64-0d cannot be downloaded; run apt-get update first, or install it" >&2
    exit 1
  }
  dpkg-deb -x "$new"/libb64-0d_*.deb "$new/debian"
  find "$new/debian" -name 'libb64.so.0d' -exec mv {} "$new/lib" \;
  rm -r "$new"/libb64-0d_*.deb "$new/debian"
fi

cat >"$new/perf_analyzer" <<'LAUNCHER'
#!/bin/sh
lib=$(dirname "$(realpath "$0")")/lib
LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$lib/perf_analyzer" "$@"
LAUNCHER
chmod 755 "$new/perf_analyzer" "$new/lib/perf_analyzer"
"$new/perf_analyzer" --version # says which one it is, or which library is missing

rm -rf "$folder"
mv "$new" "$folder"
trap - EXIT
echo "installed: $folder/perf_analyzer"
