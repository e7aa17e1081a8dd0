"""How fast a key may go: counted per key, told in our shape, and never in another tenant's way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payments.api.limits import LONGEST_WAIT_SECONDS, RequestRate, seconds_until_room
from submerchants.tenants.models import SubMerchant
from tests.conftest import missing
from tests.payments.api.caller import Api, tea
from tests.servers import REDIS, find_redis

THREE = 3
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture
def tight(app: Flask) -> Iterator[None]:
    """Two writes and three reads a minute."""
    usual = {name: app.config[name] for name in ("API_WRITES_A_MINUTE", "API_READS_A_MINUTE")}
    app.config.update(API_WRITES_A_MINUTE=2, API_READS_A_MINUTE=3)
    yield
    app.config.update(usual)


@pytest.mark.usefixtures("tight")
def test_beyond_the_limit_a_key_is_told_how_long_to_wait(api: Api) -> None:
    allowed = [api.post("/orders", tea()).status_code for _ in range(2)]

    refused = api.post("/orders", tea())

    assert allowed == [201, 201]
    assert (refused.status_code, refused.code) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= LONGEST_WAIT_SECONDS
    assert refused.headers["Request-ID"] == refused.json["request_id"]


@pytest.mark.usefixtures("tight")
def test_reads_and_writes_are_counted_apart(api: Api) -> None:
    for _ in range(3):
        api.post("/orders", tea())

    answers = [api.get("/orders").status_code for _ in range(4)]

    assert answers == [200, 200, 200, 429]


@pytest.mark.usefixtures("tight")
def test_a_tenant_has_one_budget_over_all_its_keys(
    client: FlaskClient, api: Api, other_api: Api, sub_merchant: SubMerchant
) -> None:
    second_key = Api(client, sub_merchant)
    for _ in range(4):
        api.get("/orders")

    assert api.get("/orders").status_code == 429
    assert second_key.get("/orders").status_code == 429
    assert other_api.get("/orders").status_code == 200


@pytest.mark.usefixtures("tight")
def test_nought_is_no_limit(app: Flask, api: Api) -> None:
    app.config["API_READS_A_MINUTE"] = 0

    assert {api.get("/orders").status_code for _ in range(5)} == {200}


@pytest.mark.usefixtures("tight")
def test_the_description_is_free(client: FlaskClient) -> None:
    assert {client.get("/api/v1/openapi.json").status_code for _ in range(5)} == {200}


def test_processes_share_their_count_through_redis(request: pytest.FixtureRequest) -> None:
    url = find_redis()
    if url is None:
        missing(REDIS.missing)
        raise AssertionError
    one, another = RequestRate(url), RequestRate(url)
    name = request.node.nodeid + str(id(one))

    waits = [rate.count(THREE, name) for rate in (one, another, one, another)]

    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 0


def test_without_redis_a_process_counts_for_itself() -> None:
    rate = RequestRate(NOBODY_LISTENS)

    waits = [rate.count(THREE, "somebody") for _ in range(4)]

    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 0


@pytest.mark.parametrize(
    ("before", "within", "turns_in", "wait"),
    [
        (0, 0, 60.0, 0),
        (0, 5, 60.0, 0),
        (0, 6, 60.0, 60),  # the whole minute, and never more than that at once
        (0, 6, 10.0, 20),  # the minute turns, and a sixth of it passes
        (6, 0, 30.0, 0),  # half of six still counts
        (6, 3, 30.0, 10),  # a sixth of the minute before must leave the window
        (6, 6, 30.0, 40),
    ],
)
def test_the_minute_before_counts_by_what_the_window_still_covers(
    before: int, within: int, turns_in: float, wait: int
) -> None:
    assert seconds_until_room(6, before, within, turns_in) == wait
