#!/usr/bin/env bash
# Triton (the compiler): a kernel with a parameter called "options" compiles ahead of time and runs in the interpreter,
# but can never be launched.
#
# What one would guess: parameters of a kernel may have any name that Python allows. triton.jit takes the function, the
# interpreter (TRITON_INTERPRET=1) gives the right numbers on a CPU, triton.compile makes a cubin of it for any GPU. So a
# project that has no GPU in its tests sees nothing wrong.
#
# What happens: the first launch ends with "SyntaxError: duplicate argument 'options' in function definition". For each
# kernel Triton writes the source of a function that sorts its arguments, ending in "**options", and executes it. No
# message names the kernel or the parameter. Under another name the same kernel is compiled.
#
# Neither a GPU nor PyTorch is needed: a stand-in for the driver says which GPU it is, and nothing is launched.
# Seen with triton 3.6.0 and 3.7.1, Python 3.11 and 3.12, on 2026-11-28.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet triton==3.7.1

cat > "$folder/kernels.py" <<'PYTHON'
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.driver import driver

H100 = GPUTarget("cuda", 90, 32)


class Driver:
    def get_current_target(self):
        return H100

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0


class Tensor:
    dtype = "fp32"

    def data_ptr(self):
        return 0


@triton.jit
def with_options(x, options, out):
    tl.store(out, tl.load(x) * tl.load(options))


@triton.jit
def with_another_name(x, scale, out):
    tl.store(out, tl.load(x) * tl.load(scale))


driver.set_active(Driver())
found = {}
for kernel in (with_options, with_another_name):
    source = ASTSource(kernel, {name: "*fp32" for name in kernel.arg_names})
    ahead = len(triton.compile(source, target=H100).asm["cubin"]) > 0
    try:
        # as a launch does, but for the launch itself
        told = "compiled" if kernel.warmup(Tensor(), Tensor(), Tensor(), grid=(1,)).asm["cubin"] else "empty"
    except SyntaxError as error:
        told = f"SyntaxError: {error.msg}"
    print(f"{kernel.__name__}: ahead of time: {'compiled' if ahead else 'empty'}; for a launch: {told}")
    found[kernel.__name__] = (ahead, told)

assert found["with_another_name"] == (True, "compiled"), found
assert found["with_options"] == (True, "SyntaxError: duplicate argument 'options' in function definition"), found
PYTHON

TRITON_CACHE_DIR="$folder/cache" "$folder/env/bin/python" "$folder/kernels.py"
