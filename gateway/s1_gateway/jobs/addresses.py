"""Which addresses a webhook may have: none that leads into the network behind the gateway."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


class AddressError(Exception):
    """An address that is not called."""


@dataclass(frozen=True)
class Target:
    """Where to connect.

    Args:
        is_tls: Whether by TLS.
        host: Name, which the certificate is to have.
        port: Of the receiver.
        path: With its query.
    """

    is_tls: bool
    host: str
    port: int
    path: str


def check_address(url: str, *, is_private_allowed: bool) -> Target:
    """Read a webhook's address.

    Args:
        url: As the caller wrote it.
        is_private_allowed: Whether it may be without TLS.

    Raises:
        AddressError: it is none that is called; the message says what is allowed.
    """
    allowed = "allowed: https://host/path" + (" or http://host/path" if is_private_allowed else "")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise AddressError(f"got characters that an address cannot have; {allowed}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError(f"got no address; {allowed}") from None
    schemes = {"https", "http"} if is_private_allowed else {"https"}
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None or parts.fragment:
        raise AddressError(f"got {parts.scheme or 'no scheme'!r} or no plain host; {allowed}")
    if not is_private_allowed and _is_literal(parts.hostname) and not is_public(parts.hostname):
        raise AddressError("got an address that is not public; allowed: https://host/path of a public host")
    is_tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_tls, parts.hostname, port or (443 if is_tls else 80), path)


def resolve(target: Target, *, is_private_allowed: bool) -> str:
    """Find the one address to connect to. Nothing resolves it again, so that another answer of DNS changes nothing.

    Raises:
        AddressError: the name stands for nothing, or for an address that is not public.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"the host's name stands for nothing: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not is_private_allowed:
        for address in addresses:
            if not is_public(address):
                raise AddressError("the host's name stands for an address that is not public")
    return addresses[0]


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public internet, however it is written."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if parsed in ipaddress.ip_network("64:ff9b::/96"):  # IPv4 behind a translator
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)))
    return parsed.is_global and not parsed.is_multicast
