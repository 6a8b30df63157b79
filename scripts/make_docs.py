"""Write what derives from the code: inputs in ``docs/api.md``, tensors of ``config.pbtxt``, tables of the gateway.

python scripts/make_docs.py          # writes them
python scripts/make_docs.py --check  # names what is stale, and ends with 1 if anything is
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from fastapi.routing import APIRoute, APIWebSocketRoute
from pydantic.fields import FieldInfo

from s1_gateway.app import ROUTERS
from s1_gateway.settings import PREFIX, Settings
from s1_protocol import tensors
from s1_protocol.names import ModelName
from s1_protocol.option_kinds import Option, default_of, plain_number
from s1_protocol.request_options import OPTIONS, TEXT
from s1_protocol.tensors import TensorSpec

ROOT = Path(__file__).resolve().parent.parent


def region(name: str) -> re.Pattern[str]:
    """What stands between the marks of a part of a page that is made."""
    return re.compile(rf"(?<=<!-- made by make docs: {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)


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
    api, gateway = ROOT / "docs" / "api.md", ROOT / "docs" / "gateway.md"
    made = {
        api: with_inputs(api.read_text(encoding="utf-8")),
        gateway: with_routes(with_settings(gateway.read_text(encoding="utf-8"))),
    }
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
    return region("inputs").sub(lambda _: table, page)


def with_settings(page: str) -> str:
    """The page of the gateway with the table of its settings."""
    heading = "| variable | default | what |\n|---|---|---|\n"
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default_of(field)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return region("gateway settings").sub(lambda _: heading + "".join(rows), page)


def with_routes(page: str) -> str:
    """The page of the gateway with the table of what it answers."""
    routes = [route for router in ROUTERS for route in router.routes]
    rows = [
        f"| `{_methods_of(route)} {route.path}` | {_first_line_of(route.endpoint)} |\n"
        for route in routes
        if isinstance(route, APIRoute | APIWebSocketRoute)
    ]
    return region("gateway routes").sub(lambda _: "| route | what it does |\n|---|---|\n" + "".join(rows), page)


def _first_line_of(endpoint: Callable[..., object]) -> str:
    return (endpoint.__doc__ or "").strip().splitlines()[0].replace("``", "`")


def _methods_of(route: APIRoute | APIWebSocketRoute) -> str:
    return "WS" if isinstance(route, APIWebSocketRoute) else ", ".join(sorted(route.methods))


def _default_of(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = ",".join(value)
    return "none" if value in (None, "", {}) else f"`{value}`" if isinstance(value, str | Path) else plain_number(value)


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
    steps = iter(
        [
            maps("input", tensors.SPEECH_INPUTS) + maps("output", [tensors.VOICE_KNOCK]),
            maps("input", [tensors.VOICE_KNOCK])
            + maps("output", request, "voice_")
            + maps("output", prompts)
            + maps("output", [tensors.SEAL], "voice_"),
            maps("input", request, "voice_")
            + maps("input", prompts)
            + maps("input", [tensors.SEAL], "voice_")
            + maps("output", tensors.CODES_TENSORS, "llama_"),
            maps("input", tensors.CODEC_INPUTS, "llama_") + maps("output", tensors.CHUNK_OUTPUTS),
        ]
    )
    step = r'(model_name: "s1_\w+"\n *model_version: -1\n)(?: *(?:in|out)put_map .*\n)*'
    return re.sub(step, lambda found: found[1] + next(steps), config)


def maps(kind: str, specs: Iterable[TensorSpec], prefix: str = "") -> str:
    """Lines that name the ensemble's tensors for a step's own."""
    return "".join(f'      {kind}_map {{ key: "{spec.name}" value: "{prefix}{spec.name}" }}\n' for spec in specs)


if __name__ == "__main__":
    sys.exit(main())
