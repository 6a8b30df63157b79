"""Three parts of Triton's interpreter in less time; they are most of what it spends on small kernels.

- A kernel's inner functions put the interpreter's own functions into Triton's language once a launch, not at each call.
- The overflow of an integer is looked for with numpy, not by six operations of the interpreter, which forgets what they
  find: here it ends the launch.
- numpy's type of a Triton type is looked up once, not in a table that each call makes anew.
"""

import functools
from types import ModuleType
from typing import Any

import numpy as np
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter

NUMPY_OPERATIONS = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def make_quick() -> None:
    """Change the interpreter of this process; called once."""
    interpreter._get_np_dtype = _numpy_types(interpreter._get_np_dtype)
    interpreter.interpreter_semantic.binary_op_sanitize_overflow_impl = functools.partial(
        _refuse_overflow, interpreter.interpreter_semantic
    )
    patch = _PatchOnce(interpreter._patch_lang)
    interpreter._patch_lang = patch
    interpreter.GridExecutor.__call__ = patch.anew_in(interpreter.GridExecutor.__call__)


def _numpy_types(slow: Any) -> Any:
    """What numpy keeps the values of a Triton type as; pointers cannot be looked up, and are integers."""
    known = functools.cache(slow)
    pointer = np.dtype(np.uint64)

    def numpy_type(kind: Any) -> Any:
        scalar = kind.element_ty if kind.is_block() else kind
        return pointer if scalar.is_ptr() else known(scalar)

    return numpy_type


class _PatchOnce:
    """Patches Triton's language for functions that see the same modules of it once a launch.

    Args:
        patch: Triton's own, which gives what a launch takes back at its end.
    """

    def __init__(self, patch: Any) -> None:
        self._patch = patch
        self._done: set[frozenset[int]] = set()

    def __call__(self, function: Any) -> Any:
        modules = (value for value in function.__globals__.values() if isinstance(value, ModuleType))
        seen = frozenset(id(module) for module in modules if module in (interpreter.tl, interpreter.tl.core))
        if seen in self._done:
            return None
        self._done.add(seen)
        return self._patch(function)

    def anew_in(self, launch: Any) -> Any:
        @functools.wraps(launch)
        def launch_anew(*args: Any, **kwargs: Any) -> Any:
            self._done.clear()
            return launch(*args, **kwargs)

        return launch_anew


def _refuse_overflow(semantic: TritonSemantic, left: Any, right: Any, operation: Any) -> None:
    kind = left.type.scalar
    if kind.int_bitwidth >= 64 or not semantic.builder.options.sanitize_overflow:
        return
    name = operation.__name__
    exact = NUMPY_OPERATIONS[name](left.handle.data.astype(np.int64), right.handle.data.astype(np.int64))
    if exact.size and (exact.max() > kind.get_int_max_value() or exact.min() < kind.get_int_min_value()):
        raise AssertionError(f"int{kind.int_bitwidth} overflow detected for operation {name}")
