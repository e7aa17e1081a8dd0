"""WeChat Pay's rule for payment directories: which page may open the cashier. Pure.

A directory that is only a domain covers every page of that domain. One with a path must equal the
page's own directory: everything up to and including the last slash of its path. Scheme, host and
port must be the same; query and fragment do not count. WeChat Pay document: "支付授权目录".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from config.words import Words
from partner.errors import InvalidDirectory
from partner.page_address import Address, Unreadable, read_address, too_long

MAX_DIRECTORY_LENGTH: Final = 255
MAX_PAGE_LENGTH: Final = 2048


class Miss(enum.IntEnum):
    """Why a directory does not cover a page, the nearest miss first."""

    NOT_YET_IN_FORCE = 1
    LETTER_CASE = 2
    TRAILING_SLASH = 3
    OTHER_SCHEME = 4
    OTHER_PORT = 5
    DEEPER_PAGE = 6
    OTHER_PATH = 7
    OTHER_HOST = 8
    NO_DIRECTORY = 9
    UNREADABLE_PAGE = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a directory covers a page, and in words why or why not."""

    covered: bool
    miss: Miss | None
    said: Words

    @property
    def explanation(self) -> str:
        """Why or why not, in English."""
        return self.said.en


def normalise_directory(url: str) -> str:
    """The one spelling of a directory. Raises InvalidDirectory saying what is wrong."""
    try:
        address = read_address(url, MAX_DIRECTORY_LENGTH)
        if address.has_query or address.fragment is not None:
            raise Unreadable(
                Words(
                    "目录不带 ? 和 #；请去掉它们及后面的内容",
                    "a directory has no query and no fragment; leave out what follows",
                )
            )
        normal = address.origin + _directory_path(address)
        if len(normal) > MAX_DIRECTORY_LENGTH:
            raise too_long(MAX_DIRECTORY_LENGTH)
    except Unreadable as problem:
        raise InvalidDirectory(str(problem)) from problem
    return normal


def read_page(page_url: str) -> Address | Verdict:
    """A page's address, or the verdict on a text that is none."""
    try:
        return read_address(page_url, MAX_PAGE_LENGTH)
    except Unreadable as problem:
        said = Words(
            f"这不是页面的网址：{problem.said.zh}。", f"This is not a page's address: {problem}."
        )
        return Verdict(False, Miss.UNREADABLE_PAGE, said)


def covers(directory: str, page_url: str) -> Verdict:
    """Whether a normalised directory covers a page, leaving aside since when it is in force."""
    page, ours = read_page(page_url), read_address(directory, MAX_DIRECTORY_LENGTH)
    if isinstance(page, Verdict):
        return page
    if (elsewhere := _other_origin(directory, ours, page)) is not None:
        return elsewhere
    if ours.path == "/":
        said = Words(
            f"{directory} 只有域名，覆盖该域名下的所有页面。",
            f"{directory} is only a domain and covers every page of it.",
        )
        return Verdict(True, None, said)
    if ours.path == page.directory:
        said = Words(
            f"{directory} 正是页面所在的目录。", f"{directory} is exactly the page's directory."
        )
        return Verdict(True, None, said)
    return _path_miss(directory, ours.path, page)


def _other_origin(directory: str, ours: Address, page: Address) -> Verdict | None:
    if ours.host != page.host:
        return _missed(
            Miss.OTHER_HOST,
            f"{directory} 的域名是 {ours.host}，页面的是 {page.host}",
            f"{directory} is on {ours.host}, the page on {page.host}",
        )
    if ours.scheme != page.scheme:
        return _missed(
            Miss.OTHER_SCHEME,
            f"{directory} 是 {ours.scheme}，页面是 {page.scheme}，两者不同",
            f"{directory} is {ours.scheme}, the page {page.scheme}; the two are different",
        )
    if ours.port != page.port:
        return _missed(
            Miss.OTHER_PORT,
            f"{directory} 的端口是 {ours.port}，页面的是 {page.port}",
            f"{directory} is on port {ours.port}, the page on port {page.port}",
        )
    return None


def _path_miss(directory: str, path: str, page: Address) -> Verdict:
    own = f"{page.full_directory}"
    lives = f"the page's directory is {own}"
    if path.lower() == page.directory.lower():
        return _missed(
            Miss.LETTER_CASE,
            f"{directory} 与页面目录 {own} 的大小写不同，大小写有别",
            f"{directory} differs from it in capital and small letters, which count; {lives}",
        )
    if path == f"{page.path}/":
        return _missed(
            Miss.TRAILING_SLASH,
            f"页面网址末尾没有斜杠，因此它在 {own} 里，而不在 {directory} 里",
            f"the page's address does not end in a slash, so it lies in {own} and not in "
            f"{directory}",
        )
    if page.directory.startswith(path):
        return _missed(
            Miss.DEEPER_PAGE,
            f"页面比 {directory} 更深，它的目录是 {own}；带路径的目录只覆盖紧挨着的页面",
            f"the page lies deeper than {directory}: {lives}, and a directory with a path covers "
            "only the pages right inside it",
        )
    return _missed(
        Miss.OTHER_PATH,
        f"{directory} 是另一个目录，页面的目录是 {own}",
        f"{directory} is another directory: {lives}",
    )


def _missed(miss: Miss, zh: str, en: str) -> Verdict:
    return Verdict(False, miss, Words(f"未覆盖：{zh}。", f"Not covered: {en}."))


def _directory_path(address: Address) -> str:
    path, last = address.path, address.page
    if "//" in path:
        raise Unreadable(Words("路径里有连续两个斜杠", "its path has two slashes in a row"))
    if "." in last:
        parent = address.directory
        raise Unreadable(
            Words(
                f"结尾像是一个文件；目录应以 {parent} 结尾",
                f"it ends in what looks like a file; the directory would end in {parent}",
            )
        )
    return f"{path}/" if last else path
