"""Write what derives from ``s1_protocol``: the inputs in ``docs/api.md`` and the tensors of ``config.pbtxt`` files.

python scripts/make_docs.py          # writes them
python scripts/make_docs.py --check  # names what is stale, and ends with 1 if anything is
"""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from s1_protocol import tensors
from s1_protocol.names import ModelName
from s1_protocol.option_kinds import Option, default_of
from s1_protocol.request_options import OPTIONS, TEXT
from s1_protocol.tensors import TensorSpec

ROOT = Path(__file__).resolve().parent.parent
REGION = re.compile(r"(?<=<!-- made by make docs: inputs -->\n).*?(?=<!-- end -->)", re.DOTALL)

TENSORS = {
    ModelName.ONE_ANSWER: (tensors.SPEECH_INPUTS, tensors.AUDIO_OUTPUTS),
    ModelName.STREAM: (tensors.SPEECH_INPUTS, tensors.CHUNK_OUTPUTS),
    ModelName.VOICE: (tensors.VOICE_INPUTS, tensors.VOICE_OUTPUTS),
    ModelName.LLAMA: (tensors.LLAMA_INPUTS, tensors.CODES_TENSORS),
    ModelName.CODEC: (tensors.CODEC_INPUTS, tensors.CHUNK_OUTPUTS),
}
RAGGED = {spec.name for spec in tensors.PROMPT_TENSORS}
"""Tensors that differ in shape from request to request of a batch of the language model."""


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and end with 1 if something is stale")
    is_check = parser.parse_args().check
    made = {ROOT / "docs" / "api.md": with_inputs((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))}
    for model, (inputs, outputs) in TENSORS.items():
        path = ROOT / "model_repository" / model / "config.pbtxt"
        made[path] = with_tensors(path.read_text(encoding="utf-8"), model, inputs, outputs)
    stale = [path for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'is stale; run make docs' if is_check else 'written'}")
        if not is_check:
            path.write_text(made[path], encoding="utf-8")
    return 1 if is_check and stale else 0


def with_inputs(page: str) -> str:
    """The page with the table of inputs."""
    heading = "| input | type | default | allowed | what |\n|---|---|---|---|---|\n"
    table = heading + "".join(row_of(option) for option in (TEXT, *OPTIONS))
    return REGION.sub(lambda _: table, page)


def row_of(option: Option) -> str:
    """A row of the table."""
    cells = (f"`{option.field}`", option.wire_type, default_of(option), option.allowed, option.help)
    return f"| {' | '.join(cells)} |\n"


def with_tensors(config: str, model: ModelName, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec]) -> str:
    """A configuration with these inputs and outputs; the rest of it is written by hand."""
    is_ragged = model is ModelName.LLAMA
    for kind, specs in (("input", inputs), ("output", outputs)):
        lines = ",\n".join(f"  {tensor_of(spec, is_ragged=is_ragged and spec.name in RAGGED)}" for spec in specs)
        config = re.sub(rf"^{kind} \[\n.*?^\]$", f"{kind} [\n{lines}\n]", config, flags=re.MULTILINE | re.DOTALL)
    return with_maps(config) if model is ModelName.STREAM else config


def tensor_of(spec: TensorSpec, *, is_ragged: bool) -> str:
    """A tensor as a configuration declares it."""
    dims = ", ".join(str(size) for size in spec.dims)
    ragged, optional = " allow_ragged_batch: true" * is_ragged, " optional: true" * spec.is_optional
    return f'{{ name: "{spec.name}" data_type: TYPE_{spec.dtype} dims: [ {dims} ]{ragged}{optional} }}'


def with_maps(config: str) -> str:
    """The ensemble with what its steps get and give; a tensor between two of them bears the first one's name."""
    request, prompts = (tensors.TEXT_INPUT, *tensors.SPEECH_OPTIONS), tensors.PROMPT_TENSORS
    steps = {
        ModelName.VOICE: maps("input", tensors.SPEECH_INPUTS)
        + maps("output", request, "voice_")
        + maps("output", prompts),
        ModelName.LLAMA: maps("input", request, "voice_")
        + maps("input", prompts)
        + maps("output", tensors.CODES_TENSORS, "llama_"),
        ModelName.CODEC: maps("input", tensors.CODEC_INPUTS, "llama_") + maps("output", tensors.CHUNK_OUTPUTS),
    }
    for model, lines in steps.items():
        before = rf'(model_name: "{model}"\n *model_version: -1\n)(?: *(?:in|out)put_map .*\n)*'
        config = re.sub(before, lambda found, lines=lines: found[1] + lines, config)
    return config


def maps(kind: str, specs: Iterable[TensorSpec], prefix: str = "") -> str:
    """Lines that name the ensemble's tensors for a step's own."""
    return "".join(f'      {kind}_map {{ key: "{spec.name}" value: "{prefix}{spec.name}" }}\n' for spec in specs)


if __name__ == "__main__":
    sys.exit(main())
