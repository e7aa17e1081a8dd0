"""What the preflight says of a page: what is overlooked about its address, and what to enter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from partner.directory_rule import Miss
from submerchants.directories.match import DirectoryVerdict, Level, SetDirectory, judge

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
YESTERDAY = NOON - timedelta(days=1)
HOME = "https://pay.example.com/shop/"


def verdict_on(page_url: str, *urls: str, level: Level = "sub_merchant") -> DirectoryVerdict:
    return judge([SetDirectory(url, level, YESTERDAY) for url in urls], page_url, NOON)


@pytest.mark.parametrize(
    ("page_url", "en", "zh"),
    [
        (
            "https://pay.example.com/shop/#/orders/7",
            "it sees https://pay.example.com/shop/. In a single-page application iOS reports",
            "# 之后的内容不会送到微信支付，它只看到 https://pay.example.com/shop/",
        ),
        (
            "https://pay.example.com/shop",
            "https://pay.example.com/shop does not end in a slash and lies in "
            "https://pay.example.com/;",
            "https://pay.example.com/shop 末尾没有斜杠",
        ),
        (
            "https://pay.example.com/shop/pay.html",
            "pay.html is a file's name and no part of the directory, which is "
            "https://pay.example.com/shop/.",
            "pay.html 是文件名",
        ),
        ("https://pay.example.com:8443/shop/", "The address names port 8443", "网址带端口 8443"),
        (
            "https://pay.example.com/Shop/",
            "The path /Shop/ holds capital letters",
            "路径 /Shop/ 有大写字母",
        ),
        ("http://pay.example.com/shop/", "The page is http", "页面是 http"),
        (
            "https://xn--fiqs8s.example/",
            "an international name (中国.example)",
            "国际化域名的 ASCII 写法（中国.example）",
        ),
        ("http://localhost/pay/", "localhost is no public domain", "localhost 不是公网域名"),
    ],
)
def test_what_is_easily_overlooked_is_said_in_both_languages(
    page_url: str, en: str, zh: str
) -> None:
    notes = verdict_on(page_url).notes

    assert any(en in note.en for note in notes)
    assert any(zh in note.zh for note in notes)


def test_a_plain_address_gives_cause_for_no_remark() -> None:
    assert verdict_on(HOME, HOME).notes == ()


@pytest.mark.parametrize(
    ("page_url", "en", "zh"),
    [
        ("https://127.0.0.1/shop/", "its host is an IP address", "主机是 IP 地址"),
        ("https://a@pay.example.com/", "it holds a user name", "域名前有用户名"),
        ("https://中国.example/", "in its xn-- form: xn--fiqs8s.example", "xn--fiqs8s.example"),
        ("pay.example.com/shop/", "it must begin with https://", "必须以 https:// 或 http://"),
        ("", "it is empty", "是空的"),
        ("https://pay.example.com/a b", "characters nobody sees", "看不见的字符"),
        ("https://pay.example.com/%2e%2e/", "read differently by different", "各服务器理解不一"),
        ("https://pay.example.com/a/../b", "write where it leads to", "它实际指向的路径"),
        ("https://pay.example.com:0/", "its port must be a number", "端口必须是 1 到 65535"),
        ("https://pay..example.com/", "its host name is not one", "域名不合规"),
        ("ftp://pay.example.com/", "it must be https or http", "必须是 https 或 http"),
    ],
)
def test_an_address_that_is_none_says_why_in_both_languages(
    page_url: str, en: str, zh: str
) -> None:
    verdict = verdict_on(page_url, HOME)

    assert (verdict.covered, verdict.miss) == (False, Miss.UNREADABLE_PAGE)
    assert en in verdict.said.en
    assert zh in verdict.said.zh
    assert verdict.to_enter == ()


@pytest.mark.parametrize(
    ("page_url", "miss", "zh"),
    [
        ("http://pay.example.com/shop/1", Miss.OTHER_SCHEME, "页面是 http，两者不同"),
        ("https://pay.example.com:8443/shop/1", Miss.OTHER_PORT, "的端口是 443，页面的是 8443"),
        ("https://www.example.com/shop/1", Miss.OTHER_HOST, "页面的是 www.example.com"),
        ("https://pay.example.com/Shop/1", Miss.LETTER_CASE, "大小写不同"),
        ("https://pay.example.com/shop", Miss.TRAILING_SLASH, "末尾没有斜杠"),
        ("https://pay.example.com/shop/a/1", Miss.DEEPER_PAGE, "只覆盖紧挨着的页面"),
        ("https://pay.example.com/cart/1", Miss.OTHER_PATH, "是另一个目录"),
    ],
)
def test_each_miss_has_its_sentence_in_chinese_too(page_url: str, miss: Miss, zh: str) -> None:
    verdict = verdict_on(page_url, HOME)

    assert verdict.miss is miss
    assert verdict.said.zh.startswith("未覆盖：")
    assert zh in verdict.said.zh


def test_a_covered_page_says_which_side_covers_it_and_since_when() -> None:
    own = verdict_on(f"{HOME}42", HOME)
    shared = verdict_on(f"{HOME}42", "https://pay.example.com/", level="provider")

    assert "on the sub-merchant's own level, and in force since 2026-02-28T04:05:00" in own.said.en
    assert "exactly the page's directory" in own.said.en
    assert "特约商户自己的目录，自 2026-02-28T04:05:00" in own.said.zh
    assert "on the provider's level" in shared.said.en
    assert "only a domain and covers every page" in shared.said.en


def test_a_directory_not_yet_in_force_asks_for_patience_and_for_no_entry() -> None:
    fresh = SetDirectory(HOME, "provider", NOON)

    verdict = judge([fresh], f"{HOME}42", NOON + timedelta(minutes=4))

    assert verdict.miss is Miss.NOT_YET_IN_FORCE
    assert "heeds it from 2026-03-01T04:05:00+00:00 on" in verdict.said.en
    assert verdict.said.zh.startswith("尚未覆盖")
    assert verdict.to_enter == ()


def test_an_uncovered_page_says_exactly_what_to_enter_and_how_many_entries_are_left() -> None:
    verdict = judge(
        [
            *(SetDirectory(f"https://p{n}.example.com/", "provider", YESTERDAY) for n in range(5)),
            SetDirectory("https://own.example.com/", "sub_merchant", YESTERDAY),
        ],
        "https://pay.example.com/shop/cart#/7",
        NOON,
    )

    assert [each.url for each in verdict.to_enter] == [
        "https://pay.example.com/shop/",
        "https://pay.example.com/",
    ]
    assert dict(verdict.entries_left) == {"sub_merchant": 4, "provider": 0}
    assert verdict.page_directory == "https://pay.example.com/shop/"


def test_what_is_to_be_entered_would_cover_the_page() -> None:
    page_url = "https://pay.example.com/a/b/pay.html?x=1#/y"

    offered = [each.url for each in verdict_on(page_url).to_enter]

    assert offered == ["https://pay.example.com/a/b/", "https://pay.example.com/"]
    assert [verdict_on(page_url, url).covered for url in offered] == [True, True]


def test_a_page_at_the_root_needs_the_domain_alone() -> None:
    offered = verdict_on("https://pay.example.com/pay").to_enter

    assert [each.url for each in offered] == ["https://pay.example.com/"]


def test_a_terminal_reads_the_verdict_then_what_to_enter_then_the_notes() -> None:
    lines = verdict_on("https://pay.example.com/Shop/cart").lines()

    assert lines[0].startswith("Not covered: no directory is set.")
    assert lines[1].startswith("enter  https://pay.example.com/Shop/  only the pages right inside")
    assert lines[3] == (
        "entries left  the sub-merchant's own level: 5; "
        "the provider's level, for all its sub-merchants: 5"
    )
    assert all(line.startswith("note  ") for line in lines[4:])
    assert verdict_on("https://pay.example.com/").lines("zh")[0].startswith("未覆盖：")
