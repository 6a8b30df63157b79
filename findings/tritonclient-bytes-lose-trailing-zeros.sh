#!/usr/bin/env bash
# tritonclient: a recording sent as np.array([pcm]) arrives without the zeros at its end.
#
# One would guess that a BYTES tensor carries the bytes that went into it: np_to_triton_dtype takes the array's dtype for
# BYTES, set_data_from_numpy accepts it, the length stands before the bytes. But np.array([pcm]) has the dtype S12, and
# numpy strips trailing zeros from elements of such a dtype; tritonclient serialises element by element. Sound that ends
# in silence is shorter then, and may have an odd number of bytes, half a sample; so is any file format that ends with
# zeros. Nothing says so. With dtype=object all bytes arrive.
#
# tritonclient 2.73.0, numpy 2.4.6. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tritonclient[http]==2.73.0" numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import struct

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import np_to_triton_dtype

pcm = np.array([100, -100, 50, 0, 0, 0], dtype="<i2").tobytes()


def sent(array: np.ndarray) -> bytes:
    tensor = triton.InferInput("RECORDING", array.shape, np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    raw = tensor._get_binary_data()
    (length,) = struct.unpack("<I", raw[:4])
    return raw[4 : 4 + length]


plain, as_object = sent(np.array([pcm])), sent(np.array([pcm], dtype=object))
print(f"{len(pcm)} bytes of sound; sent as dtype S: {len(plain)}, as dtype object: {len(as_object)}")
assert as_object == pcm, "dtype object carries something else now"
assert plain == pcm.rstrip(b"\0") and len(plain) % 2 == 1, "trailing zeros arrive now"
PYTHON
