"""Read the address of a page as strictly as a gateway would. Pure.

Addresses that browsers and servers could read differently are turned away with the reason, never
guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from config.words import Words
from partner.numbers import printable

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_MAX_PORT: Final = 65_535
_MAX_HOST: Final = 253
_FORM: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.S)
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNSEEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202f\u3000\ufeff]")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_DANGEROUS_ESCAPES: Final = frozenset({"2f", "5c", "2e", "7f"}) | {f"{n:02x}" for n in range(32)}
_BACKSLASH: Final = Words(
    "含有反斜杠，浏览器会当作斜杠", "it holds a backslash, which browsers read as a slash"
)
_IP_HOST: Final = Words(
    "主机是 IP 地址；微信支付只认域名", "its host is an IP address; WeChat Pay takes domains only"
)


class Unreadable(ValueError):
    """A text that is no page's address; `said` tells why, as the end of a sentence."""

    def __init__(self, said: Words) -> None:
        super().__init__(said.en)
        self.said = said


@dataclass(frozen=True, slots=True)
class Address:
    """What of an address counts, in one spelling, and whether the rest is there."""

    scheme: str
    host: str
    port: int
    path: str
    has_query: bool
    fragment: str | None

    @property
    def has_usual_port(self) -> bool:
        """Whether it is the one that its scheme means when none is named."""
        return DEFAULT_PORTS[self.scheme] == self.port

    @property
    def origin(self) -> str:
        """Scheme and host, and the port where it is not the usual one."""
        port = "" if self.has_usual_port else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    @property
    def directory(self) -> str:
        """The path up to and including its last slash."""
        return self.path[: self.path.rindex("/") + 1]

    @property
    def full_directory(self) -> str:
        """The directory as it would be entered at WeChat Pay."""
        return self.origin + self.directory

    @property
    def page(self) -> str:
        """What follows the last slash of the path; empty for a directory's own page."""
        return self.path[self.path.rindex("/") + 1 :]


def read_address(url: str, longest: int) -> Address:
    """The address in this text. Raises Unreadable."""
    if not url:
        raise Unreadable(Words("是空的", "it is empty"))
    if len(url) > longest:
        raise too_long(longest)
    if _UNSEEN.search(url):
        raise Unreadable(
            Words(
                "含有空格、换行或其他看不见的字符",
                "it holds blanks, line ends or other characters nobody sees",
            )
        )
    parts = _FORM.fullmatch(url)
    if parts is None:
        raise Unreadable(
            Words(
                "必须以 https:// 或 http:// 加域名开头",
                "it must begin with https:// or http:// and a host name",
            )
        )
    scheme, authority, path, query, fragment = parts.groups()
    if scheme.lower() not in DEFAULT_PORTS:
        shown = printable(scheme)
        raise Unreadable(
            Words(
                f"协议是 {shown}，必须是 https 或 http",
                f"its scheme is {shown}; it must be https or http",
            )
        )
    scheme = scheme.lower()
    host, port = _read_authority(authority, scheme)
    _check_path(path)
    return Address(scheme, host, port, path or "/", query is not None, fragment)


def too_long(longest: int) -> Unreadable:
    """The refusal of a text of more than this many characters."""
    said = Words(f"超过 {longest} 个字符", f"it is longer than {longest} characters")
    return Unreadable(said)


def _read_authority(authority: str, scheme: str) -> tuple[str, int]:
    if "\\" in authority:
        raise Unreadable(_BACKSLASH)
    if "@" in authority:
        raise Unreadable(
            Words("域名前有用户名或 @", "it holds a user name or an @ before the host")
        )
    if "[" in authority or "]" in authority:
        raise Unreadable(_IP_HOST)
    host, colon, port = authority.partition(":")
    _check_host(host.lower())
    if not colon:
        return host.lower(), DEFAULT_PORTS[scheme]
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= _MAX_PORT:
        raise Unreadable(
            Words(
                f"端口必须是 1 到 {_MAX_PORT} 的数字",
                f"its port must be a number from 1 to {_MAX_PORT}",
            )
        )
    return host.lower(), int(port)


def _check_host(host: str) -> None:
    if not host:
        raise Unreadable(Words("没有域名", "it has no host name"))
    if not host.isascii():
        raise Unreadable(_not_ascii(host))
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise Unreadable(
            Words(
                "域名不合规：应是以单个点分隔的字母、数字和连字符",
                "its host name is not one: labels of letters, digits and hyphens between single "
                "dots",
            )
        )
    # Browsers take a host whose last label is a number for an IPv4 address, in whatever notation.
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        raise Unreadable(_IP_HOST)


def _not_ascii(host: str) -> Words:
    try:
        spelled = host.encode("idna").decode("ascii")
    except UnicodeError:
        spelled = "xn--…"
    return Words(
        f"域名不是 ASCII；国际化域名请写成 {spelled} 的形式",
        f"its host name is not ASCII; write an international name in its xn-- form: {spelled}",
    )


def _check_path(path: str) -> None:
    if "\\" in path:
        raise Unreadable(_BACKSLASH)
    if not path.isascii():
        raise Unreadable(
            Words(
                "路径不是 ASCII；请像浏览器那样做百分号编码",
                "its path is not ASCII; percent-encode it as the browser does",
            )
        )
    for escape in _ESCAPE.finditer(path):
        if escape[1] is None:
            raise Unreadable(
                Words("路径里的 % 不是百分号编码", "its path holds a % that is no percent-encoding")
            )
        if escape[1].lower() in _DANGEROUS_ESCAPES:
            raise Unreadable(
                Words(
                    f"路径含有 {escape[0]}：编码后的斜杠、点或控制字符，各服务器理解不一",
                    f"its path holds {escape[0]}: an encoded slash, dot or control character is "
                    "read differently by different servers",
                )
            )
    if any(segment in (".", "..") for segment in path.split("/")):
        raise Unreadable(
            Words(
                "路径里有 . 或 ..，请写成它实际指向的路径",
                "its path holds . or .. as a segment; write where it leads to",
            )
        )
