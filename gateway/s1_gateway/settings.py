"""All settings of the gateway: ``S1_GATEWAY_*`` in the environment, checked at the start."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from s1_client.address import check_url
from s1_gateway.job_settings import JobSettings
from s1_protocol.limits import MAX_TEXT_CHARACTERS
from s1_protocol.service_links import is_service_link

PREFIX: Final = "S1_GATEWAY_"
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Names = Annotated[tuple[str, ...], NoDecode]
"""Words with commas between them."""


class SettingsError(Exception):
    """A setting is unknown, out of range, or does not go with another; the message names it."""


class Settings(JobSettings, BaseSettings):
    """Validated settings. Build them with :meth:`load`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    # where
    host: str = Field(default="127.0.0.1", description="address to listen on; others than the loopback need tokens")
    port: int = Field(default=8080, ge=0, le=65_535, description="port to listen on; 0: any free one")
    servers: Names = Field(
        default=("127.0.0.1:8001",),
        min_length=1,
        description="gRPC addresses of the Triton servers with commas between them, or one `dns:///host:port`",
    )
    resolve_s: float = Field(
        default=5.0, gt=0, description="how often servers are asked how they are, and `dns:///` for them"
    )
    tls_certificate: Path | None = Field(default=None, description="PEM file of the certificate to serve HTTPS with")
    tls_key: Path | None = Field(default=None, description="PEM file of its key")
    trusted_proxies: str = Field(
        default="127.0.0.1", description="addresses whose X-Forwarded-* headers are believed; `*`: all"
    )

    # who
    tokens: str = Field(default="", description="hashed tokens, one entry a line or with `;` between them", repr=False)
    tokens_file: Path | None = Field(default=None, description="file with the same, one entry a line")
    open_lists: bool = Field(default=False, description="whether voices and models are listed without a token")
    open_metrics: bool = Field(default=False, description="whether `/metrics` is read without a token")
    cors_origins: Names = Field(default=(), description="origins whose pages may call, with commas between them")
    redis_url: str | None = Field(
        default=None,
        description="Redis for jobs, and for counts of several gateways; none: no jobs",
        repr=False,
    )
    redis_url_file: Path | None = Field(default=None, description="file with it instead, as it may hold a password")

    # what
    voices: dict[str, str] = Field(
        default_factory=dict,
        description='JSON of names and the stored voices they mean, such as `{"alloy": "anna"}`; `""`: the own voice',
    )
    strict: bool = Field(default=False, description="refuse names of voices and models that are only aliases by habit")
    max_text_characters: int = Field(
        default=MAX_TEXT_CHARACTERS, ge=1, le=MAX_TEXT_CHARACTERS, description="longest text of a request"
    )

    # how much
    max_body_bytes: int = Field(
        default=16 * 2**20, ge=1024, description="largest body of a request, recordings included"
    )
    max_message_bytes: int = Field(default=2**20, ge=1024, description="largest message of a WebSocket")
    max_streams: int = Field(default=1000, ge=1, description="utterances at once; further ones are refused")
    max_sockets: int = Field(default=1000, ge=1, description="open WebSockets; further ones are refused")
    handshake_s: float = Field(default=10.0, gt=0, description="longest wait for a request's head or next piece")
    idle_s: float = Field(default=300.0, gt=0, description="a WebSocket without messages and sound is closed")
    send_s: float = Field(default=60.0, gt=0, description="a caller who takes nothing for this long is cut off")
    stall_s: float = Field(default=30.0, gt=0, description="longest wait for a server's next sound")
    ahead_s: float = Field(default=1.5, gt=0, le=10, description="how far a WebSocket's sound runs ahead of its clock")
    leave_s: float = Field(
        default=3.0,
        ge=0,
        description="after SIGTERM, how long new requests are still taken; each answer then closes its connection",
    )
    linger_s: float = Field(
        default=20.0,
        ge=0,
        description="after that, how long a kept connection may be idle before it is closed; "
        "longer than clients keep theirs",
    )
    drain_s: float = Field(default=60.0, ge=0, description="after SIGTERM, how long open streams may go on")

    @field_validator("servers", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("servers")
    @classmethod
    def _check_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for server in value:
            check_url(server)
        if len(value) > 1 and any(server.startswith("dns:") for server in value):
            raise ValueError("dns:/// stands alone: it names all servers")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if not self.has_tokens and self.host not in LOOPBACK:
            raise ValueError(
                f"host: got {self.host!r} without tokens, which would let everybody in; "
                "allowed: 127.0.0.1, or set tokens or tokens_file"
            )
        return self

    @property
    def has_tokens(self) -> bool:
        """Whether callers have to show a token."""
        return bool(self.tokens.strip()) or self.tokens_file is not None

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, given: dict[str, object]) -> dict[str, object]:
        """What may stand in a file is read from it."""
        told = dict(given)
        for name in ("redis_url", "webhook_secret"):
            path = told.get(f"{name}_file")
            if path is None:
                continue
            if told.get(name) is not None:
                raise ValueError(f"{name} and {name}_file are both set; allowed: one of them")
            try:
                told[name] = Path(str(path)).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{name}_file: {path} cannot be read: {error}") from None
        return told

    @model_validator(mode="before")
    @classmethod
    def _let_service_links_be(cls, given: dict[str, object]) -> dict[str, object]:
        """Kubernetes says ``S1_GATEWAY_PORT=tcp://...`` where a Service has the name ``s1-gateway``."""
        return {name: value for name, value in given.items() if not is_service_link(PREFIX + name.upper(), str(value))}

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ, **given: object) -> Self:
        """Read the environment, and what is given over it; no file of settings is read.

        Args:
            environment: Variables; names with our prefix that mean nothing are refused.
            given: Values of the command line; None leaves the environment's.

        Raises:
            SettingsError: a setting is unknown or wrong.
        """
        known = {PREFIX + name.upper(): name for name in cls.model_fields}
        for variable, value in environment.items():
            if variable.startswith(PREFIX) and variable not in known and not is_service_link(variable, value):
                near = difflib.get_close_matches(variable, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise SettingsError(f"{variable}: there is no such setting{hint}")
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            raise SettingsError("; ".join(_fault(each) for each in error.errors(include_url=False))) from None


def _fault(error: Mapping[str, object]) -> str:
    location = error["loc"]
    name = PREFIX + str(location[0]).upper() if isinstance(location, tuple) and location else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    is_secret = "TOKENS" in name or "REDIS" in name or "SECRET" in name or "@" in str(error["input"])
    shown = "" if not name or is_secret else f", got {error['input']!r}"
    return f"{name}: {message}{shown}" if name else message
