#!/usr/bin/env bash
# tritonclient: what set_shared_memory_region writes of a text, get_contents_as_numpy cannot read.
#
# One would guess that the two are each other's inverse for BYTES, as they are for numbers, and that an array of texts is written as
# Triton reads it: set_data_from_numpy of the same package does so for the same array. But set_shared_memory_region copies the one
# object's bytes as they are, without the length of four bytes in front that Triton's format has, so that the first four letters are
# taken for the length: "Hell" is 1.8 GB. An array of two texts raises, one of a single text does not, nor does one of type S11,
# whose bytes are copied bare as well. Give it what serialize_byte_tensor makes, and the region four bytes more a text.
#
# tritonclient 2.73.0, numpy 2.3.5, Linux. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tritonclient[http]==2.73.0" numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import numpy as np
import tritonclient.http as triton
import tritonclient.utils.shared_memory as shared_memory
from tritonclient.utils import serialize_byte_tensor

TEXT = b"Hello there"


def round_trip(array: np.ndarray) -> object:
    key = f"/finding-{os.getpid()}"
    region = shared_memory.create_shared_memory_region("text", key, 64, create_only=True)
    try:
        shared_memory.set_shared_memory_region(region, [array])
        return shared_memory.get_contents_as_numpy(region, np.object_, [1])[0]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        shared_memory.destroy_shared_memory_region(region)


as_object, as_bytes = np.array([TEXT], dtype=object), np.array([TEXT])
serialized = serialize_byte_tensor(as_object)
by_message = triton.InferInput("text", [1], "BYTES")
by_message.set_data_from_numpy(as_object)
print("in a message:                  ", by_message._get_binary_data())
seen = [round_trip(as_object), round_trip(as_bytes), round_trip(serialized)]
for name, came in zip(("dtype object", "dtype S11", "serialize_byte_tensor"), seen, strict=True):
    print(f"by shared memory, {name}: {came}")
holds = all("unpack_from requires" in str(came) for came in seen[:2]) and seen[2] == TEXT
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
