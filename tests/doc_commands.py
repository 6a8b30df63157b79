"""The commands of the documentation: what they name must be there, whether they can be run here or not."""

import contextlib
import io
import multiprocessing
import os
import pkgutil
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import boto3  # noqa: F401  # this and the next two: see options_of
import torch  # noqa: F401
from perf.__main__ import COMMANDS

import s1_client.cli  # noqa: F401
from tests.doc_pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = frozenset(PROJECT["scripts"])
PYTHONS = frozenset({"python", "python3"})
SHELLS = frozenset({"sh", "bash"})
OTHERS = frozenset(
    {".", "activate", "aplay", "apt", "apt-get", "aws", "base64", "cd", "curl", "docker", "echo", "export", "git", "hf"}
    | {"redis-server", "sed", "tail", "tr", "unzip", "tar", "eksctl", "helm", "kind", "kubectl"}
)
"""Commands that are not ours, and of which no more is known than that they exist."""

_ASSIGNMENT = re.compile(r"\w+=")


def simple_commands(text: str) -> Iterator[list[str]]:
    """The commands of a piece of shell, each as its words; of pipes and substitutions each one by itself.

    Raises:
        ValueError: a quotation does not end.
    """
    text = re.sub(r"(?m)(^|\s)#.*$", r"\1", text.replace("\\\n", " "))
    lexer = shlex.shlex(re.sub(r"\$\(\(.*?\)\)", "0", text), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    command: list[str] = []
    is_file = False
    for word in lexer:
        is_punctuation = not word.strip("();<>|&\n") and word != ""
        if is_punctuation and set(word) & set("<>"):
            is_file = True
        elif is_punctuation:
            yield from _without_assignments(command)
            command = []
        elif not is_file:
            command.append(word)
        is_file = is_file and is_punctuation
    yield from _without_assignments(command)


def _without_assignments(command: list[str]) -> Iterator[list[str]]:
    while command and _ASSIGNMENT.match(command[0]):
        command = command[1:]
    if command[:1] == ["sudo"]:
        command = command[1:]
    if command:
        yield command


def is_ours(command: list[str]) -> bool:
    """Whether a command runs something of this repository."""
    name, head = Path(command[0]).name, command[0]
    # lm/engine.py is below src/s1_tts, and no command
    is_script = "/" in head and head.endswith((".py", ".sh")) and (ROOT / Path(head).parts[0]).exists()
    return name in OURS or name == "make" or is_script or (name in PYTHONS | SHELLS and len(command) > 1)


def fault_of(command: list[str]) -> str | None:
    """What a command names that is not there.

    Args:
        command: Its words.

    Returns:
        None if all is there.
    """
    head, *rest = command
    name = Path(head).name or head
    if name == "make":
        return _missing_target(rest)
    if name in OURS:
        return _unknown_option(rest, *_our_command(name, rest))
    if name in PYTHONS | SHELLS:
        return _fault_of_interpreted(rest)
    if head.endswith((".py", ".sh")):
        return _fault_of_script(head, *rest)
    if name == "pip":
        return _missing_extra(rest)
    return None if name in OTHERS else f"{head} is neither ours nor known"


def _fault_of_script(script: str, *words: str) -> str | None:
    if not (ROOT / script).is_file():
        return f"there is no {script}"
    return _unknown_option(list(words), *_python_command(script, list(words))) if script.endswith(".py") else None


def _fault_of_interpreted(words: list[str]) -> str | None:
    if words[:2] == ["-m", "perf"]:
        return _fault_of_perf(words[2:])
    return _fault_of_script(*words) if words and not words[0].startswith("-") else None  # else: code, not a file


def _fault_of_perf(words: list[str]) -> str | None:
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        return f"python -m perf has no {words[0]}"
    return _unknown_option(words, "-m perf", *(word for word in words[:1] if not word.startswith("-")))


def _missing_target(words: list[str]) -> str | None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    missing = [word for word in words if not _ASSIGNMENT.match(word) and word not in targets]
    return f"make has no {missing[0]}" if missing else None


def _missing_extra(words: list[str]) -> str | None:
    named = {extra for word in words for found in re.findall(r"\[(.*?)\]", word) for extra in found.split(",")}
    missing = named - set(PROJECT["optional-dependencies"])
    return f"there is no extra {', '.join(missing)}" if missing else None


def _our_command(name: str, words: list[str]) -> tuple[str, ...]:
    num_subcommands = {"s1-tts": 2 if words[:1] in (["voices"], ["jobs"]) else 1, "s1-gateway": 1}.get(name, 0)
    return (name, *words[:num_subcommands])


def _python_command(script: str, words: list[str]) -> tuple[str, ...]:
    has_subcommands = script == "scripts/deploy_sagemaker.py"
    return (script, *(words[:1] if has_subcommands else []))


def _unknown_option(words: list[str], *command: str) -> str | None:
    named = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
    unknown = named and named - options_of(*command)
    return f"{Path(command[-1]).name} has no {', '.join(sorted(unknown))}" if unknown else None


@cache
def options_of(*command: str) -> frozenset[str]:
    """Long options that the help of a command of ours tells.

    Args:
        command: Its name, or the way to its script, and its subcommands.
    """
    # A fork has what was imported above, which would take most of the time.
    context = multiprocessing.get_context("fork")
    answer, question = context.Pipe(duplex=False)
    process = context.Process(target=_tell_help, args=(command, question))
    process.start()
    question.close()
    try:
        return frozenset(re.findall(r"--[a-z][a-z0-9-]*", answer.recv()))
    finally:
        process.join()


def _tell_help(command: tuple[str, ...], question: Connection) -> None:
    name, *subcommands = command
    os.environ.update(COLUMNS="300", NO_COLOR="1", TERM="dumb")
    os.chdir(ROOT)
    sys.argv = [name, *subcommands, "--help"]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        if name in OURS:
            pkgutil.resolve_name(PROJECT["scripts"][name])()
        elif name == "-m perf":
            runpy.run_module("perf", run_name="__main__")
        else:
            runpy.run_path(name, run_name="__main__")
    question.send(output.getvalue())
