"""Where a webhook may go, decided on the very address it is about to connect to.

A tenant names the address and chooses what its name resolves to, at any time. So a URL is read once
into a `Target`, its name is resolved once for a connection, every address found must be publicly
routable, and the connection goes to one of those addresses and nowhere else. Exceptions are made by
the deployment alone, by network (`WEBHOOK_ALLOWED_NETWORKS`); there http and any port will do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 512
PUBLIC_PORTS = frozenset({443, 8443})
_DEFAULT_PORTS = {"https": 443, "http": 80}

_VISIBLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # without the backslash, which browsers turn round
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label like this is an address in disguise

_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is routed between networks
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # shared by carriers and clouds, metadata of some of them
        "168.63.129.16/32",  # the host's own service in one cloud, though the number is public
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
)


class EgressRefused(Exception):
    """The URL or what its name resolves to is no place for a webhook; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL as it was read once; checked and connected to with these very values."""

    host: str  # the name, or the address, that the certificate must carry
    port: int
    is_tls: bool
    path: str  # with its query

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = _DEFAULT_PORTS["https" if self.is_tls else "http"]
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def literal(self) -> Address | None:
        """The address, when the URL has one instead of a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None


@lru_cache(1024)
def read_target(url: str) -> Target:
    """Read a URL. Raises EgressRefused for a form that could mean two things, or no web address."""
    if len(url) > MAX_URL or not _VISIBLE.fullmatch(url):
        raise EgressRefused(f"A URL has at most {MAX_URL} visible ASCII characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise EgressRefused("The URL cannot be read. Check host and port.") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise EgressRefused("The URL must begin with https://.")
    if "@" in parts.netloc:
        raise EgressRefused("The URL must not carry a user name or password.")
    if parts.fragment:
        raise EgressRefused("The URL must not have a fragment (#…).")
    if port == 0:
        raise EgressRefused("Port 0 is no port.")
    _require_plain_host(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "https", path)


def _require_plain_host(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None:
        if getattr(address, "scope_id", None):
            raise EgressRefused("The address must not name a zone (%…).")
        return
    if host.endswith("."):
        raise EgressRefused("Write the host without a dot at its end.")
    if not _NAME.fullmatch(host):
        raise EgressRefused("The host is not a name; write international ones as xn--….")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise EgressRefused("Write an address as four numbers from 0 to 255, or as IPv6.")


def require_allowed(
    target: Target, found: Sequence[str], exceptions: Sequence[Network]
) -> list[Address]:
    """The addresses to connect to. Raises EgressRefused unless every one of them is allowed.

    The text does not tell the addresses: what a name means inside the platform's network is not a
    tenant's to know.
    """
    addresses = [_plain(ipaddress.ip_address(text)) for text in dict.fromkeys(found)]
    if not addresses:
        raise EgressRefused("The host has no address.")
    if all(_is_excepted(address, exceptions) for address in addresses):
        return addresses
    if not all(_is_excepted(each, exceptions) or is_public(each) for each in addresses):
        raise EgressRefused("The host's address is not a public one.")
    _require_public_form(target)
    return addresses


def require_plausible(url: str, exceptions: Sequence[Network]) -> Target:
    """What can be said of a URL before its name is resolved. Raises EgressRefused."""
    target = read_target(url)
    if target.literal is not None:
        require_allowed(target, [target.host], exceptions)
    elif not exceptions:  # else its name may turn out to lie in one of them
        _require_public_form(target)
    return target


def _require_public_form(target: Target) -> None:
    if not target.is_tls:
        raise EgressRefused("The URL must begin with https://.")
    if target.port not in PUBLIC_PORTS:
        ports = " and ".join(str(port) for port in sorted(PUBLIC_PORTS))
        raise EgressRefused(f"Webhooks go to the ports {ports} only.")


def is_public(address: Address) -> bool:
    """Whether the address is routed on the internet and belongs to one machine there."""
    address = _plain(address)
    if any(address in network for network in _NOT_PUBLIC):
        return False
    if address.version == 6 and address not in _UNICAST:
        return False  # NAT64, site-local, compatible and whatever else hides another address
    return address.is_global and not address.is_multicast and not address.is_reserved


def _plain(address: Address) -> Address:
    """An IPv4 address that came dressed as IPv6 is judged, and connected to, as what it is."""
    return getattr(address, "ipv4_mapped", None) or address


def _is_excepted(address: Address, exceptions: Sequence[Network]) -> bool:
    return any(address in network for network in exceptions)
