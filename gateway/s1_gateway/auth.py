"""Who may call: tokens that are stored hashed, and what each of them allows."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.datastructures import Headers, QueryParams

from s1_gateway.errors import GatewayError, Reason
from s1_gateway.settings import Settings, SettingsError


class Scope(StrEnum):
    """What a token allows."""

    SPEAK = "speak"
    """Ask for speech, list voices and models."""

    VOICES = "voices"
    """Add and remove stored voices."""

    JOBS = "jobs"
    """Make jobs and read their results."""

    METRICS = "metrics"
    """Read ``/metrics``."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What a token may use; None: no limit.

    Args:
        requests_per_minute: Utterances begun in a minute.
        streams: Utterances open at once, at each gateway.
        characters_per_day: Characters of text in a day (UTC).
    """

    requests_per_minute: int | None = None
    streams: int | None = None
    characters_per_day: int | None = None


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A caller that shows a token.

    Args:
        name: Of the token, for logs and metrics.
        scopes: What it allows.
        quota: What it may use.
    """

    name: str
    scopes: frozenset[Scope]
    quota: Quota = Quota()

    def need(self, scope: Scope) -> None:
        """Refuse a caller whose token does not allow this.

        Raises:
            GatewayError: it does not.
        """
        if scope not in self.scopes:
            raise GatewayError(Reason.FORBIDDEN, f"the token {self.name} lacks the scope {scope}")


ANYBODY: Final = Caller(name="anybody", scopes=frozenset(Scope))
"""The caller where no tokens are set, which is only possible on the loopback."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_QUOTAS: Final = {"rpm": "requests_per_minute", "streams": "streams", "cpd": "characters_per_day"}


def hash_token(token: str) -> str:
    """Make what is stored of a token. Tokens are long and random, so that a plain hash is enough."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Tokens:
    """All tokens that are known.

    Args:
        callers: By the hash of their token; empty: everybody is let in.
    """

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = dict(callers)

    @classmethod
    def load(cls, settings: Settings) -> "Tokens":
        """Read the tokens that the settings name.

        Raises:
            SettingsError: an entry cannot be read; the message has its place and not its content.
        """
        lines = re.split(r"[;\n]", settings.tokens)
        if settings.tokens_file is not None:
            try:
                lines += settings.tokens_file.read_text(encoding="utf-8").splitlines()
            except OSError as error:
                raise SettingsError(f"S1_GATEWAY_TOKENS_FILE: {error}") from error
        callers = _read_entries(lines)
        if settings.has_tokens and not callers:
            raise SettingsError("S1_GATEWAY_TOKENS: there is no token in it")
        return cls(callers)

    @property
    def requires_one(self) -> bool:
        """Whether nobody is let in without a token."""
        return bool(self._callers)

    def find(self, token: str | None) -> Caller:
        """Find whose token this is; every stored one is compared, in constant time.

        Raises:
            GatewayError: none was shown, or nobody's.
        """
        if not self.requires_one:
            return ANYBODY
        if not token:
            raise GatewayError(Reason.UNAUTHENTICATED, "a token is needed, as `Authorization: Bearer TOKEN`")
        digest = hash_token(token)
        found = [caller for known, caller in self._callers.items() if hmac.compare_digest(known, digest)]
        if not found:
            raise GatewayError(Reason.UNAUTHENTICATED, "the token is not known")
        return found[0]


def token_in(headers: Headers, query: QueryParams | None = None) -> str | None:
    """Take the token out of a request: bearer, ``X-API-Key``, or what browsers' sockets can send, the query.

    Args:
        headers: Of the request.
        query: Of a WebSocket's address; None where a query may not carry a token.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    if key := headers.get("x-api-key"):
        return key
    if query is None:
        return None
    # the second is what Cartesia's SDK calls a token that is good for some minutes
    return query.get("api_key") or query.get("access_token") or query.get("token")


def _read_entries(lines: Iterable[str]) -> dict[str, Caller]:
    callers: dict[str, Caller] = {}
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if words:
            digest, caller = _read_entry(number, words)
            callers[digest] = caller
    return callers


def _read_entry(number: int, words: list[str]) -> tuple[str, Caller]:
    """Read ``NAME sha256:HEX [scopes=speak,voices] [rpm=60] [streams=4] [cpd=100000]``."""
    where = f"S1_GATEWAY_TOKENS, entry {number}"
    if len(words) < 2 or not _NAME.fullmatch(words[0]) or not _DIGEST.fullmatch(words[1]):
        raise SettingsError(f"{where}: allowed: NAME sha256:64-HEX-DIGITS and options; `s1-gateway token` makes one")
    scopes = frozenset({Scope.SPEAK})
    quota: dict[str, int] = {}
    for word in words[2:]:
        key, _, value = word.partition("=")
        if key == "scopes":
            if unknown := set(value.split(",")) - set(Scope):
                raise SettingsError(f"{where}: scopes: got {sorted(unknown)}; allowed: {', '.join(Scope)}")
            scopes = frozenset(Scope(name) for name in value.split(","))
        elif key in _QUOTAS and value.isdecimal() and int(value) > 0:
            quota[_QUOTAS[key]] = int(value)
        else:
            raise SettingsError(f"{where}: got an option {key!r}; allowed: scopes=…, rpm=N, streams=N, cpd=N")
    return words[1], Caller(name=words[0], scopes=scopes, quota=Quota(**quota))
