"""WeChat Pay's rule for payment directories, against a model that shares no code with it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partner.directory_rule import (
    MAX_DIRECTORY_LENGTH,
    Miss,
    covers,
    normalise_directory,
)
from partner.errors import InvalidDirectory
from partner.page_address import read_address

DEFAULT_PORTS = {"http": 80, "https": 443}

segments = st.text(alphabet="abAB09-_~", min_size=1, max_size=4)
schemes = st.sampled_from(["http", "https"])
hosts = st.sampled_from(["pay.example.com", "PAY.example.com", "shop.example.com", "localhost"])
ports = st.sampled_from(["", ":80", ":443", ":8443"])
folders = st.lists(segments, max_size=3).map(lambda parts: "/" + "".join(f"{p}/" for p in parts))
pages = st.sampled_from(["", "index.html", "42"])
tails = st.sampled_from(["", "?a=/b/", "#/orders/7", "?x=1#top"])


def model(directory: str, page: str) -> bool:
    """The rule in a few plain lines, by the standard library's parser."""
    ours, theirs = urlsplit(directory), urlsplit(page)
    same_place = (ours.scheme, (ours.hostname or ""), ours.port or DEFAULT_PORTS[ours.scheme]) == (
        theirs.scheme,
        (theirs.hostname or ""),
        theirs.port or DEFAULT_PORTS[theirs.scheme],
    )
    whole_domain = ours.path in ("", "/")
    return same_place and (whole_domain or ours.path == (theirs.path.rpartition("/")[0] + "/"))


@given(schemes, hosts, ports, folders, schemes, hosts, ports, folders, pages, tails)
def test_the_rule_agrees_with_a_plain_reading_of_wechat_pays_page(
    scheme: str,
    host: str,
    port: str,
    folder: str,
    page_scheme: str,
    page_host: str,
    page_port: str,
    page_folder: str,
    page: str,
    tail: str,
) -> None:
    directory = f"{scheme}://{host}{port}{folder}"
    page_url = f"{page_scheme}://{page_host}{page_port}{page_folder}{page}{tail}"

    verdict = covers(normalise_directory(directory), page_url)

    assert verdict.covered == model(directory, page_url)
    assert (verdict.miss is None) == verdict.covered


@given(schemes, hosts, ports, folders)
def test_normalising_twice_changes_nothing_and_a_directory_covers_itself(
    scheme: str, host: str, port: str, folder: str
) -> None:
    normal = normalise_directory(f"{scheme}://{host}{port}{folder}")

    assert normalise_directory(normal) == normal
    assert covers(normal, normal).covered
    assert normal == read_address(normal, MAX_DIRECTORY_LENGTH).full_directory


@given(st.one_of(st.text(max_size=80), st.text(max_size=60).map("https://".__add__)))
def test_whatever_the_text_the_only_error_is_a_clear_refusal(text: str) -> None:
    try:
        normal = normalise_directory(text)
    except InvalidDirectory as refusal:
        told = refusal.message
    else:
        told = "This is not a payment directory: " if normal.isascii() else normal
        assert len(normal) <= MAX_DIRECTORY_LENGTH

    assert told.startswith("This is not a payment directory: ")


@given(st.one_of(st.text(max_size=80), st.text(max_size=60).map("https://pay.example.com".__add__)))
def test_whatever_the_page_the_rule_answers_with_a_sentence(text: str) -> None:
    verdict = covers("https://pay.example.com/shop/", text)

    assert verdict.explanation.endswith(".")
    assert verdict.covered or verdict.miss is not None


@pytest.mark.parametrize(
    ("given_url", "normal"),
    [
        ("https://pay.example.com", "https://pay.example.com/"),
        ("HTTPS://PAY.Example.COM:443/Shop/", "https://pay.example.com/Shop/"),
        ("http://pay.example.com:80/", "http://pay.example.com/"),
        ("https://pay.example.com:0443/", "https://pay.example.com/"),
        ("https://pay.example.com:8443/a/b", "https://pay.example.com:8443/a/b/"),
        ("http://localhost:8000/", "http://localhost:8000/"),
        ("https://xn--fiqs8s.example/", "https://xn--fiqs8s.example/"),
        ("https://pay.example.com/%E5%BA%97/", "https://pay.example.com/%E5%BA%97/"),
    ],
)
def test_a_directory_has_one_spelling(given_url: str, normal: str) -> None:
    assert normalise_directory(given_url) == normal


@pytest.mark.parametrize(
    ("hostile", "told"),
    [
        ("", "empty"),
        ("pay.example.com/shop/", "must begin with"),
        ("//pay.example.com/", "must begin with"),
        ("https:/pay.example.com/", "must begin with"),
        ("ftp://pay.example.com/", "must be https or http"),
        ("javascript://pay.example.com/%0aalert(1)", "must be https or http"),
        ("https:///shop/", "no host name"),
        ("https://:443/", "no host name"),
        ("https://user@pay.example.com/", "user name"),
        ("https://pay.example.com@evil.example/", "user name"),
        ("https://pay.example.com\\@evil.example/", "backslash"),
        ("https://pay.example.com/a\\b/", "backslash"),
        ("https://pay.example.com/a b/", "nobody sees"),
        (" https://pay.example.com/", "nobody sees"),
        ("https://pay.example.com/\n", "nobody sees"),
        ("https://pay.exam\tple.com/", "nobody sees"),
        ("https://pay.example.com/\x00", "nobody sees"),
        ("https://pay.example.com/\u200b/", "nobody sees"),
        ("https://p\u0430y.example.com/", "not ASCII"),
        ("https://pay\u3002example.com/", "not ASCII"),
        ("https://店.example/", "not ASCII"),
        ("https://pay.example.com/店/", "not ASCII"),
        ("https://pay..example.com/", "not one"),
        ("https://pay.example.com./", "not one"),
        ("https://-pay.example.com/", "not one"),
        ("https://pay_1.example.com/", "not one"),
        (f"https://{'a' * 64}.example.com/", "not one"),
        ("https://127.0.0.1/", "IP address"),
        ("https://2130706433/", "IP address"),
        ("https://0x7f.1/", "IP address"),
        ("https://[::1]/", "IP address"),
        ("https://pay.example.com:/", "port"),
        ("https://pay.example.com:0/", "port"),
        ("https://pay.example.com:65536/", "port"),
        ("https://pay.example.com:44 3/", "nobody sees"),
        ("https://pay.example.com:443:443/", "port"),
        ("https://pay.example.com:\u0664\u0664\u0663/", "port"),
        ("https://pay.example.com/a/../b/", "segment"),
        ("https://pay.example.com/./b/", "segment"),
        ("https://pay.example.com/a%2Fb/", "encoded slash"),
        ("https://pay.example.com/a%5cb/", "encoded slash"),
        ("https://pay.example.com/%2e%2e/b/", "encoded slash"),
        ("https://pay.example.com/a%00/", "encoded slash"),
        ("https://pay.example.com/a%zz/", "no percent-encoding"),
        ("https://pay.example.com/a//b/", "two slashes"),
        ("https://pay.example.com/a/?b=1", "no query"),
        ("https://pay.example.com/a/#b", "no query"),
        ("https://pay.example.com/a/pay.html", "looks like a file"),
        (f"https://pay.example.com/{'a' * 240}/", "longer than"),
    ],
)
def test_a_hostile_or_mistaken_address_is_refused_with_its_reason(hostile: str, told: str) -> None:
    with pytest.raises(InvalidDirectory) as refusal:
        normalise_directory(hostile)

    assert told in refusal.value.message


@pytest.mark.parametrize(
    ("page", "miss"),
    [
        ("http://pay.example.com/shop/1", Miss.OTHER_SCHEME),
        ("https://pay.example.com:8443/shop/1", Miss.OTHER_PORT),
        ("https://www.example.com/shop/1", Miss.OTHER_HOST),
        ("https://pay.example.com/Shop/1", Miss.LETTER_CASE),
        ("https://pay.example.com/shop/a/1", Miss.DEEPER_PAGE),
        ("https://pay.example.com/shop", Miss.TRAILING_SLASH),
        ("https://pay.example.com/other/1", Miss.OTHER_PATH),
        ("https://pay.example.com/shop/../shop/1", Miss.UNREADABLE_PAGE),
        ("https://user@pay.example.com/shop/1", Miss.UNREADABLE_PAGE),
    ],
)
def test_a_page_that_is_not_covered_says_which_part_does_not_fit(page: str, miss: Miss) -> None:
    assert covers("https://pay.example.com/shop/", page).miss is miss


@pytest.mark.parametrize(
    "page",
    [
        "https://pay.example.com/shop/",
        "https://pay.example.com/shop/42",
        "https://PAY.example.com:443/shop/42?back=/other/page",
        "https://pay.example.com/shop/#/checkout/7",
        "https://pay.example.com/shop/42?name=店 铺".replace(" ", "%20"),
    ],
)
def test_a_page_right_inside_the_directory_is_covered_whatever_follows_the_path(page: str) -> None:
    assert covers("https://pay.example.com/shop/", page).covered
