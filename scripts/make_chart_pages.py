"""Write what derives from the Helm chart's values: its README.md, and the names of settings in values.schema.json.

python scripts/make_chart_pages.py          # writes them
python scripts/make_chart_pages.py --check  # names what is stale, and ends with 1 if anything is
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from s1_gateway.settings import PREFIX
from s1_gateway.settings import Settings as GatewaySettings
from s1_tts.settings import ENV_PREFIX
from s1_tts.settings import Settings as EngineSettings

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "kubernetes" / "s1"
COMMENT = re.compile(r"(?<=\s)# (.*)$")

HEAD = """\
# Helm chart `s1`

Engines (Triton, one GPU a pod), gateways, workers, Redis, autoscaling, monitoring.
[How to run it](../../../docs/kubernetes.md).
Made by `make docs` from `values.yaml`.
"""


class UndescribedError(Exception):
    """A value has no comment."""


@dataclass(frozen=True)
class Value:
    """A value that may be set.

    Args:
        path: Its keys with dots between them.
        default: As it stands in the file.
        comment: What it is for; empty: the same as the value of that key before it.
    """

    path: str
    default: str
    comment: str


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and end with 1 if something is stale")
    is_check = parser.parse_args().check
    schema = CHART / "values.schema.json"
    made = {
        CHART / "README.md": readme((CHART / "values.yaml").read_text(encoding="utf-8")),
        schema: with_settings(schema.read_text(encoding="utf-8")),
    }
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'is stale; run make docs' if is_check else 'written'}")
        if not is_check:
            path.write_text(made[path], encoding="utf-8")
    return 1 if is_check and stale else 0


def readme(text: str) -> str:
    """The chart's README.

    Args:
        text: Of ``values.yaml``.

    Raises:
        UndescribedError: a value has no comment.
    """
    lines = text.splitlines()
    known: dict[str, str] = {}
    parts = [HEAD]
    rest: list[Value] = []
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, node in root.value:
        if not _is_section(node):
            rest += _values(key, node, lines, ())
            continue
        parts.append(f"## `{key.value}`\n")
        if comment := _comment(lines, key):
            parts.append(f"{comment[0].upper()}{comment[1:]}.\n")
        values = [value for inner, part in node.value for value in _values(inner, part, lines, (key.value,))]
        parts.append(_table(values, known))
    parts += ["## The rest\n", _table(rest, known)]
    return "\n".join(parts)


def with_settings(schema: str) -> str:
    """The schema with the names of all settings that a server and a gateway know.

    Args:
        schema: Of the values.
    """
    tree = json.loads(schema)
    names = {
        "engineSettings": [f"{ENV_PREFIX}{name.upper()}" for name in EngineSettings.model_fields],
        "gatewaySettings": [f"{PREFIX}{name.upper()}" for name in GatewaySettings.model_fields],
    }
    for definition, known in names.items():
        tree["definitions"][definition]["propertyNames"]["enum"] = sorted(known)
    return json.dumps(tree, indent=2) + "\n"


def _is_section(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style


def _values(key: yaml.Node, node: yaml.Node, lines: list[str], above: tuple[str, ...]) -> Iterator[Value]:
    path = (*above, str(key.value))
    if isinstance(node, yaml.MappingNode) and _is_section(node):
        if comment := _comment(lines, key):
            yield Value(".".join(path), "", comment)
        for inner, part in node.value:
            yield from _values(inner, part, lines, path)
        return
    line = lines[node.start_mark.line]
    default = COMMENT.sub("", line[node.start_mark.column :]).strip()
    yield Value(".".join(path), default, _comment(lines, key))


def _comment(lines: list[str], key: yaml.Node) -> str:
    found = COMMENT.search(lines[key.start_mark.line])
    return found[1].strip() if found else ""


def _table(values: list[Value], known: dict[str, str]) -> str:
    rows = ["| value | default | what |", "|---|---|---|"]
    for value in values:
        key = value.path.rpartition(".")[2]
        comment = value.comment or known.get(key, "")
        if not comment:
            raise UndescribedError(f"values.yaml: {value.path} has no comment")
        if value.default:
            known.setdefault(key, comment)
        default = f"`{value.default}`" if value.default else ""
        rows.append(f"| `{value.path}` | {default} | {comment.replace('|', '&#124;')} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
