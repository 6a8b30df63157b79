"""Groups of options that several commands take, each shown as options of the command line and handed over as one."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from s1_client.address import check_headers, check_url
from s1_client.client import AsyncS1Client
from s1_client.commands import common
from s1_client.connection import DEFAULT_URL
from s1_client.options import SpeechOptions
from s1_client.policy import Tls
from s1_client.sync_client import S1Client
from s1_protocol.option_kinds import Caller, NumberOption, Option, default_of
from s1_protocol.request_options import options_for


@dataclass(frozen=True, kw_only=True)
class WhichServer:
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


@dataclass(frozen=True)
class OfferedTo:
    """Marks a parameter that takes what a face offers: ``Annotated[SpeechOptions, OfferedTo(Caller.SAY)]``.

    Args:
        caller: The face.
    """

    caller: Caller


def takes_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of its group parameters as options; it gets them back as the group."""
    groups: dict[str, _Group] = {}
    parameters: list[inspect.Parameter] = []
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        group = _group_of(hints[parameter.name])
        if group is not None:
            groups[parameter.name] = group
            parameters += group.parameters
        else:
            annotation = hints[parameter.name]
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation))

    @functools.wraps(command)
    def expanded(**given: Any) -> None:
        made = {
            name: group.make(**{parameter.name: given.pop(parameter.name) for parameter in group.parameters})
            for name, group in groups.items()
        }
        command(**given, **made)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer asks for
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded


@dataclass(frozen=True)
class _Group:
    """Options of the command line that a command gets as one object.

    Args:
        make: Makes the object of them.
        parameters: The options.
    """

    make: Callable[..., Any]
    parameters: list[inspect.Parameter]


def _group_of(hint: Any) -> _Group | None:
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        return _Group(hint, [_parameter(each.name, hints[each.name], each.default) for each in fields(hint)])
    mark = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, OfferedTo)), None)
    if mark is None:
        return None
    offered = [_parameter(option.field.value, _annotation_of(option)) for option in options_for(mark.caller)]
    return _Group(SpeechOptions, offered)


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation_of(option: Option) -> Any:
    """What typer wants to know of a request option; left out, the server's default holds."""
    told = f"{option.help[0].upper()}{option.help[1:]}"
    if isinstance(option, NumberOption):
        told = f"{told} ({option.allowed}; the server's default: {default_of(option)})"
    return Annotated[option.value_type | None, typer.Option(help=f"{told}.")]


def _parse_header(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter(f"{header!r} is not of the form 'name: value'", param_hint="--header")
    return name.strip(), value.strip()
