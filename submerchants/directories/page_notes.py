"""What people overlook about a page's address, each in a sentence. Pure.

None of it decides whether a page is covered; `partner.directory_rule` does. WeChat Pay document:
"支付授权目录".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from config.words import Words
from partner.page_address import Address


def notes_on(page: Address) -> tuple[Words, ...]:
    """Every remark that this page's address gives cause for, in a fixed order."""
    return tuple(remark(page) for applies, remark in _REMARKS if applies(page))


def has_hash_route(page: Address) -> bool:
    """Whether the page tells its views apart after a `#`, which WeChat Pay never sees."""
    return (page.fragment or "").startswith(("#/", "#!"))


def _hash_route(page: Address) -> Words:
    seen = page.origin + page.path
    return Words(
        f"# 之后的内容不会送到微信支付，它只看到 {seen}。单页应用里，iOS 报的是进入时的网址，"
        "安卓报的是当前网址，所以两者的目录都要登记，最省事的是只登记域名。",
        f"What follows the # never reaches WeChat Pay: it sees {seen}. In a single-page "
        "application iOS reports the address the visit began at and Android the present one, so "
        "the directories of both count; a directory that is only a domain suits it best.",
    )


def _no_trailing_slash(page: Address) -> Words:
    address, directory = page.origin + page.path, page.full_directory
    return Words(
        f"{address} 末尾没有斜杠，它在目录 {directory} 里；{address}/ 则是另一个目录。",
        f"{address} does not end in a slash and lies in {directory}; {address}/ would be another "
        "directory.",
    )


def _file_page(page: Address) -> Words:
    directory = page.full_directory
    return Words(
        f"{page.page} 是文件名，不属于目录；要登记的是 {directory}。",
        f"{page.page} is a file's name and no part of the directory, which is {directory}.",
    )


def _port(page: Address) -> Words:
    return Words(
        f"网址带端口 {page.port}：端口不同就不匹配，稳妥的做法是用默认端口。",
        f"The address names port {page.port}: another port is no match, and the usual port is the "
        "safe choice.",
    )


def _capitals(page: Address) -> Words:
    return Words(
        f"路径 {page.directory} 有大写字母：路径区分大小写，域名不区分。",
        f"The path {page.directory} holds capital letters: letter case counts in the path, not in "
        "the host name.",
    )


def _plain_http(page: Address) -> Words:
    return Words(
        "页面是 http：http 与 https 是两个不同的目录，正式环境请用 https。",
        "The page is http: http and https are two different directories; use https in production.",
    )


def _international(page: Address) -> Words:
    return Words(
        f"域名 {page.host} 是国际化域名的 ASCII 写法（{_as_read(page.host)}），请登记 ASCII 写法。",
        f"The host {page.host} is an international name ({_as_read(page.host)}) in its ASCII "
        "form; enter the ASCII form.",
    )


def _not_registrable(page: Address) -> Words:
    return Words(
        f"{page.host} 不是公网域名：微信支付只接受已备案的域名，它只能用于仿真环境。",
        f"{page.host} is no public domain: WeChat Pay takes ICP-registered domains only, so this "
        "works in the simulator alone.",
    )


def _as_read(host: str) -> str:
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return host


_REMARKS: Final[tuple[tuple[Callable[[Address], bool], Callable[[Address], Words]], ...]] = (
    (has_hash_route, _hash_route),
    (lambda page: bool(page.page) and "." not in page.page, _no_trailing_slash),
    (lambda page: "." in page.page, _file_page),
    (lambda page: not page.has_usual_port, _port),
    (lambda page: page.directory != page.directory.lower(), _capitals),
    (lambda page: page.scheme == "http", _plain_http),
    (lambda page: "xn--" in page.host, _international),
    (lambda page: "." not in page.host or page.host.endswith(".localhost"), _not_registrable),
)
