"""Imports the kernels with Triton's interpreter switched on, which runs them on a CPU.

What ``triton.jit`` makes of a function is settled when it is decorated, Triton's own functions included; so all of them
are imported here, before anything else of these tests imports any, and the interpreter is off again afterwards.
"""

import importlib
import os
import sys
from unittest import mock

if "triton" in sys.modules:
    raise RuntimeError("Triton was imported before its interpreter was switched on: these kernels cannot run")
with mock.patch.dict(os.environ, TRITON_INTERPRET="1"):
    importlib.import_module("triton.experimental.gluon")  # which the interpreter imports when it first runs
    importlib.import_module("s1_tts.codec.fused.decoder")
    importlib.import_module("s1_tts.lm.fused.runner")
    importlib.import_module("tests.unit.kernels.noise_kernel")
    importlib.import_module("tests.unit.kernels.overflow_kernel")
importlib.import_module("tests.unit.kernels.quick_interpreter").make_quick()
