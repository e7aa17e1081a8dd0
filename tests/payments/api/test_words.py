"""The API's description in the language of whoever reads its page."""

from __future__ import annotations

import json
import re

import pytest
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from config.i18n import DEFAULT_LANGUAGE, LANGUAGE_COOKIE, TRANSLATIONS
from payments.api.describe import REFUSALS
from payments.api.openapi import DOCUMENT_PATH, api_document
from payments.api.words import READERS_LABELS, worded

pytestmark = pytest.mark.sqlite_only

PAGES_DOCUMENT = "/api/docs/openapi.json"
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What the Chinese catalogue of the API says, by the English text."""
    path = TRANSLATIONS / DEFAULT_LANGUAGE / "LC_MESSAGES" / "api.po"
    with path.open("rb") as source:
        catalogue = read_po(source, locale=DEFAULT_LANGUAGE)
    return {str(one.id): str(one.string) for one in catalogue if one.id and not one.fuzzy}


def asked_for(app: Flask) -> set[str]:
    """Every text of the description, and what its page says besides."""
    texts = {*READERS_LABELS, *(refusal.meaning for refusal in REFUSALS.values())}

    def note(text: str) -> str:
        texts.add(text)
        return text

    worded(api_document(app), note)
    return texts


def test_every_text_of_the_description_is_said_in_chinese(app: Flask, said: dict[str, str]) -> None:
    texts = asked_for(app)

    assert len(texts) > 250
    assert {text for text in texts if not HAN.search(said.get(text, ""))} == set()


def test_the_catalogue_says_nothing_that_nobody_asks_for(app: Flask, said: dict[str, str]) -> None:
    texts = asked_for(app)

    assert set(said) - texts == set()


def test_names_and_placeholders_are_left_as_they_are(said: dict[str, str]) -> None:
    exact = re.compile(r"`[^`]+`|%\(\w+\)s")

    changed = {
        text
        for text, chinese in said.items()
        if not set(exact.findall(text)) <= set(exact.findall(chinese))
    }

    assert changed == set()


def test_programs_read_english_whatever_language_is_chosen(client: FlaskClient) -> None:
    before = client.get(DOCUMENT_PATH).get_data()
    client.get(PAGES_DOCUMENT)
    client.set_cookie(LANGUAGE_COOKIE, DEFAULT_LANGUAGE, domain="pay.example.test")

    after = client.get(DOCUMENT_PATH).get_data()

    assert after == before
    assert json.loads(before)["paths"]["/api/v1/orders"]["post"]["summary"] == "Place an order."


def test_the_page_reads_the_description_in_the_chosen_language(client: FlaskClient) -> None:
    chinese = client.get(PAGES_DOCUMENT).get_json()
    client.set_cookie(LANGUAGE_COOKIE, "en", domain="pay.example.test")
    english = client.get(PAGES_DOCUMENT).get_json()

    place = chinese["paths"]["/api/v1/orders"]["post"]
    assert (place["summary"], place["tags"]) == ("下单。", ["订单"])
    assert place["responses"]["413"]["description"] == (
        "请求体超过 64 KiB。错误码：`payload_too_large`。"
    )
    assert chinese["tags"][0]["name"] == "订单"
    assert english["paths"]["/api/v1/orders"]["post"]["summary"] == "Place an order."
    assert english["tags"][0]["name"] == "Orders"


def test_only_words_differ_between_the_languages(app: Flask, client: FlaskClient) -> None:
    chinese = client.get(PAGES_DOCUMENT).get_json()

    blank = worded(api_document(app), lambda _text: "")

    assert worded(chinese, lambda _text: "") == blank


def test_an_order_in_an_example_keeps_its_description(client: FlaskClient) -> None:
    [example, *_] = client.get(PAGES_DOCUMENT).get_json()["components"]["schemas"]["OrderRequest"][
        "examples"
    ]

    assert example["description"] == "Corner Tea–Oolong"
