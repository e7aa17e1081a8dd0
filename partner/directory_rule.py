"""WeChat Pay's rule for payment directories: which page may open the cashier. Pure.

A directory that is only a domain covers every page of that domain. One with a path must equal the
page's own directory: everything up to and including the last slash of its path. Scheme, host and
port must be the same; query and fragment do not count. Addresses that browsers and servers could
read differently are turned away, never guessed at. WeChat Pay document: "支付授权目录".
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from partner.errors import InvalidDirectory
from partner.numbers import printable

MAX_DIRECTORY_LENGTH: Final = 255
MAX_PAGE_LENGTH: Final = 2048

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65_535
_MAX_HOST: Final = 253
_FORM: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.S)
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNSEEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202f\u3000\ufeff]")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_DANGEROUS_ESCAPES: Final = frozenset({"2f", "5c", "2e", "7f"}) | {f"{n:02x}" for n in range(32)}


class Miss(enum.IntEnum):
    """Why a directory does not cover a page, the nearest miss first."""

    NOT_YET_IN_FORCE = 1
    LETTER_CASE = 2
    OTHER_SCHEME = 3
    OTHER_PORT = 4
    DEEPER_PAGE = 5
    OTHER_PATH = 6
    OTHER_HOST = 7
    NO_DIRECTORY = 8
    UNREADABLE_PAGE = 9


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a directory covers a page, and in words why or why not."""

    covered: bool
    miss: Miss | None
    explanation: str


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    host: str
    port: int
    path: str
    has_query: bool
    has_fragment: bool

    @property
    def origin(self) -> str:
        default = _DEFAULT_PORTS[self.scheme] == self.port
        return f"{self.scheme}://{self.host}{'' if default else f':{self.port}'}"

    @property
    def directory(self) -> str:
        return self.path[: self.path.rindex("/") + 1]


class _Unreadable(ValueError):
    """An address that is not one; the text says why."""


def normalise_directory(url: str) -> str:
    """The one spelling of a directory. Raises InvalidDirectory saying what is wrong."""
    try:
        address = _read(url, MAX_DIRECTORY_LENGTH)
        if address.has_query or address.has_fragment:
            raise _Unreadable("a directory has no query and no fragment; leave out what follows")
        path = _directory_path(address.path)
    except _Unreadable as problem:
        raise InvalidDirectory(str(problem)) from problem
    normal = address.origin + path
    if len(normal) > MAX_DIRECTORY_LENGTH:
        raise InvalidDirectory(f"it is longer than {MAX_DIRECTORY_LENGTH} characters")
    return normal


def page_directory(page_url: str) -> str | None:
    """The directory a page lives in, or None when the text is no page's address."""
    try:
        address = _read(page_url, MAX_PAGE_LENGTH)
    except _Unreadable:
        return None
    return address.origin + address.directory


def unreadable_page(page_url: str) -> Verdict | None:
    """The verdict on a text that is no page's address; None for one that is."""
    try:
        _read(page_url, MAX_PAGE_LENGTH)
    except _Unreadable as problem:
        return Verdict(False, Miss.UNREADABLE_PAGE, f"This is not a page's address: {problem}.")
    return None


def has_hash_route(page_url: str) -> bool:
    """Whether the page tells its views apart after a `#`, which WeChat Pay never sees."""
    return "#/" in page_url or "#!" in page_url


def covers(directory: str, page_url: str) -> Verdict:
    """Whether a normalised directory covers a page, leaving aside since when it is in force."""
    if (unreadable := unreadable_page(page_url)) is not None:
        return unreadable
    ours, page = _read(directory, MAX_DIRECTORY_LENGTH), _read(page_url, MAX_PAGE_LENGTH)
    if ours.host != page.host:
        return _missed(Miss.OTHER_HOST, f"{directory} is on {ours.host}, the page on {page.host}")
    if ours.scheme != page.scheme:
        told = f"{directory} is {ours.scheme}, the page {page.scheme}; the two are different"
        return _missed(Miss.OTHER_SCHEME, told)
    if ours.port != page.port:
        told = f"{directory} is on port {ours.port}, the page on port {page.port}"
        return _missed(Miss.OTHER_PORT, told)
    if ours.path == "/":
        return Verdict(True, None, f"{directory} is only a domain and covers every page of it.")
    if ours.path == page.directory:
        return Verdict(True, None, f"{directory} is exactly the page's directory.")
    return _path_miss(directory, ours.path, page)


def _path_miss(directory: str, path: str, page: _Address) -> Verdict:
    lives = f"the page's directory is {page.origin}{page.directory}"
    if path.lower() == page.directory.lower():
        told = f"{directory} differs from it in capital and small letters, which count; {lives}"
        return _missed(Miss.LETTER_CASE, told)
    if page.directory.startswith(path):
        told = (
            f"the page lies deeper than {directory}: {lives}, and a directory with a path covers "
            "only the pages right inside it"
        )
        return _missed(Miss.DEEPER_PAGE, told)
    return _missed(Miss.OTHER_PATH, f"{directory} is another directory: {lives}")


def _missed(miss: Miss, told: str) -> Verdict:
    return Verdict(False, miss, f"Not covered: {told}.")


def _directory_path(path: str) -> str:
    if "//" in path:
        raise _Unreadable("its path has two slashes in a row")
    if path.endswith("/"):
        return path
    last = path.rpartition("/")[2]
    if "." in last:
        parent = path[: len(path) - len(last)]
        raise _Unreadable(f"it ends in what looks like a file; the directory would end in {parent}")
    return path + "/"


def _read(url: str, longest: int) -> _Address:
    if not url:
        raise _Unreadable("it is empty")
    if len(url) > longest:
        raise _Unreadable(f"it is longer than {longest} characters")
    if _UNSEEN.search(url):
        raise _Unreadable("it holds blanks, line ends or other characters nobody sees")
    parts = _FORM.fullmatch(url)
    if parts is None:
        raise _Unreadable("it must begin with https:// or http:// and a host name")
    scheme, authority, path, query, fragment = parts.groups()
    if scheme.lower() not in _DEFAULT_PORTS:
        raise _Unreadable(f"its scheme is {printable(scheme)}; it must be https or http")
    scheme = scheme.lower()
    host, port = _read_authority(authority, scheme)
    _check_path(path)
    return _Address(scheme, host, port, path or "/", query is not None, fragment is not None)


def _read_authority(authority: str, scheme: str) -> tuple[str, int]:
    if "\\" in authority:
        raise _Unreadable("it holds a backslash, which browsers read as a slash")
    if "@" in authority:
        raise _Unreadable("it holds a user name or an @ before the host")
    if "[" in authority or "]" in authority:
        raise _Unreadable("its host is an IP address; WeChat Pay takes domains only")
    host, colon, port = authority.partition(":")
    _check_host(host.lower())
    if not colon:
        return host.lower(), _DEFAULT_PORTS[scheme]
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= _MAX_PORT:
        raise _Unreadable(f"its port must be a number from 1 to {_MAX_PORT}")
    return host.lower(), int(port)


def _check_host(host: str) -> None:
    if not host:
        raise _Unreadable("it has no host name")
    if not host.isascii():
        raise _Unreadable(
            "its host name is not ASCII; write an international name in its xn-- form"
        )
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _Unreadable(
            "its host name is not one: labels of letters, digits and hyphens between single dots"
        )
    # Browsers take a host whose last label is a number for an IPv4 address, in whatever notation.
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        raise _Unreadable("its host is an IP address; WeChat Pay takes domains only")


def _check_path(path: str) -> None:
    if "\\" in path:
        raise _Unreadable("it holds a backslash, which browsers read as a slash")
    if not path.isascii():
        raise _Unreadable("its path is not ASCII; percent-encode it as the browser does")
    for escape in _ESCAPE.finditer(path):
        if escape[1] is None:
            raise _Unreadable("its path holds a % that is no percent-encoding")
        if escape[1].lower() in _DANGEROUS_ESCAPES:
            raise _Unreadable(
                f"its path holds {escape[0]}: an encoded slash, dot or control "
                "character is read differently by different servers"
            )
    if any(segment in (".", "..") for segment in path.split("/")):
        raise _Unreadable("its path holds . or .. as a segment; write where it leads to")
