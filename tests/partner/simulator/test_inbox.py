"""The inbox: takes what a platform sends a merchant, keeps the newest, shows it."""

from __future__ import annotations

import requests

from partner.simulator.inbox import KEPT_LETTERS
from tests.partner.simulator.conftest import BASE

INBOX = f"{BASE}/_simulator/inbox"


def test_what_is_sent_there_is_kept_word_for_word(web: requests.Session) -> None:
    signed = {"webhook-id": "evt_1", "webhook-signature": "v1,x", "Authorization": "Bearer y"}

    sent = web.post(INBOX, data=b'{"type": "order.paid"} ', headers=signed)

    [letter] = web.get(INBOX).json()["data"]
    assert sent.status_code == 204
    assert letter["body"] == '{"type": "order.paid"} '
    assert letter["headers"] == {"webhook-id": "evt_1", "webhook-signature": "v1,x"}


def test_its_page_teaches_while_empty_and_shows_what_came_as_text(web: requests.Session) -> None:
    empty = web.get(f"{BASE}/inbox").text
    web.post(INBOX, data=b"<img src=x>", headers={"webhook-id": "evt_1"})

    filled = web.get(f"{BASE}/inbox").text

    assert INBOX in empty
    assert "evt_1" in filled
    assert "<img" not in filled


def test_only_the_newest_are_kept(web: requests.Session) -> None:
    for number in range(KEPT_LETTERS + 1):
        web.post(INBOX, data=str(number).encode())

    kept = [letter["body"] for letter in web.get(INBOX).json()["data"]]

    assert kept == [str(number) for number in range(1, KEPT_LETTERS + 1)]


def test_a_page_from_elsewhere_cannot_put_anything_into_it(web: requests.Session) -> None:
    refused = web.post(INBOX, data=b"x", headers={"Origin": "https://elsewhere.example"})

    assert refused.status_code == 403
    assert web.get(INBOX).json() == {"data": []}
