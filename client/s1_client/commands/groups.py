"""Groups of options that several commands take: a dataclass each, whose fields the command line shows as options."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, get_type_hints

import typer

from s1_client.address import check_headers, check_url
from s1_client.client import AsyncS1Client
from s1_client.commands import common
from s1_client.connection import DEFAULT_URL
from s1_client.options import SpeechOptions
from s1_client.policy import Tls
from s1_client.sync_client import S1Client


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Which server, and how it is reached.

    Raises:
        typer.BadParameter: the address or a header cannot be one.
    """

    url: common.Url = DEFAULT_URL
    tls: common.UseTls = False
    root_certificates: common.RootCertificates = None
    header: common.Headers = None

    def __post_init__(self) -> None:
        try:
            check_url(self.url)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--url") from error
        try:
            check_headers(self.headers)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--header") from error

    @property
    def headers(self) -> dict[str, str]:
        """Headers by name."""
        return dict(_parse_header(header) for header in self.header or ())

    def open_client(self) -> AsyncS1Client:
        """Make a client; called where an event loop runs."""
        return AsyncS1Client(self.url, tls=self._tls, headers=self.headers)

    def open_sync_client(self) -> S1Client:
        """Make a client for a command that waits."""
        return S1Client(self.url, tls=self._tls, headers=self.headers)

    @property
    def _tls(self) -> Tls | None:
        return Tls(root_certificates=self.root_certificates) if self.tls or self.root_certificates else None


@dataclass(frozen=True, kw_only=True)
class SoundOptions:
    """How a text is to sound."""

    voice: common.Voice = None
    seed: common.Seed = None
    temperature: common.Temperature = None
    top_p: common.TopP = None
    repetition_penalty: common.RepetitionPenalty = None
    max_frames: common.MaxFrames = None

    def to_speech_options(self, **further: Any) -> SpeechOptions:
        """Options of a request, with further ones that the command takes."""
        return SpeechOptions(**asdict(self), **further)


def takes_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of its dataclass parameters as options; it gets them back as the dataclass."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _parameters_of(groups[parameter.name])
        else:
            annotation = hints[parameter.name]
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation))

    @functools.wraps(command)
    def expanded(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer asks for
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]


def _parse_header(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter(f"{header!r} is not of the form 'name: value'", param_hint="--header")
    return name.strip(), value.strip()
