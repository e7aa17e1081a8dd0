"""Who may call the tenant API: one answer to every stranger, and the tenant from the key alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import clock
from config.answers import init_answers
from config.audit import current_actor
from config.database import db, init_database
from config.payloads import read_object
from config.settings import Settings
from submerchants import tenancy
from submerchants.access import Permission, current_caller, init_access, tenant_api
from submerchants.api_keys.issue import issue_key, list_keys, revoke_key_as_provider
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.suspend import suspend
from tests.factories.submerchants import bearer, make_api_key, make_sub_merchant
from tests.statements import statements_run


def _pages(app: Flask) -> None:
    @app.get("/who")
    @tenant_api(Permission.ORDERS_READ)
    def who() -> Any:
        caller = current_caller()
        return jsonify(
            sub_mchid=caller.sub_merchant.sub_mchid,
            sp_mchid=caller.partner.sp_mchid,
            actor=current_actor().id,
            keys=len(list_keys(caller.sub_merchant)),
        )

    @app.post("/pay")
    @tenant_api(Permission.ORDERS_WRITE)
    def pay() -> Any:
        return jsonify(done=True)

    @app.post("/close")
    @tenant_api(Permission.ORDERS_WRITE, while_suspended=True)
    def close() -> Any:
        return jsonify(done=True)

    @app.post("/refund")
    @tenant_api(Permission.REFUNDS_WRITE)
    def refund() -> Any:
        return jsonify(done=True)


@pytest.fixture
def api(app: Flask, settings: Settings) -> Iterator[FlaskClient]:
    """A small application with guarded views, on the same database."""
    small = Flask("access")
    init_database(small, settings.database_url)
    init_answers(small, lambda _error: None)
    init_access(small)
    _pages(small)
    yield small.test_client()
    with small.app_context():
        db.engine.dispose()


def answer(response: TestResponse) -> tuple[int, str]:
    return response.status_code, read_object(response.get_data())["code"]


def test_the_caller_is_whoever_the_key_belongs_to(api: FlaskClient) -> None:
    sub_merchant = make_sub_merchant()
    make_sub_merchant()
    issued = issue_key(sub_merchant=sub_merchant)

    response = api.get("/who?sub_mchid=1", headers=bearer(issued.key.reveal()))

    told = read_object(response.get_data())
    assert response.status_code == 200
    assert told["sub_mchid"] == sub_merchant.sub_mchid
    assert told["actor"] == issued.row.id
    assert told["keys"] == 1


def test_every_stranger_gets_the_same_answer(api: FlaskClient) -> None:
    sub_merchant = make_sub_merchant()
    key = issue_key(sub_merchant=sub_merchant).key.reveal()
    revoked = issue_key(sub_merchant=sub_merchant)
    revoke_key_as_provider(revoked.row.id)
    short = issue_key(sub_merchant=sub_merchant, expires_at=clock.now() + timedelta(hours=1))
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    headers = [
        {},
        {"Authorization": f"Basic {key}"},
        {"Authorization": "Bearer"},
        bearer("sk_unknownunkn_" + "x" * 43),
        bearer(wrong),
        bearer(revoked.key.reveal()),
        bearer(short.key.reveal()),
        bearer("x" * 100_000),
    ]

    with clock.frozen_at(clock.now() + timedelta(hours=2)):
        answers = [api.get("/who", headers=each) for each in headers]

    assert {response.status_code for response in answers} == {401}
    assert len({read_object(response.get_data())["message"] for response in answers}) == 1
    assert all(
        response.headers["WWW-Authenticate"].startswith("Bearer realm=") for response in answers
    )


def test_a_missing_scope_is_named(api: FlaskClient) -> None:
    key = make_api_key(make_sub_merchant(), Permission.ORDERS_READ)

    response = api.post("/refund", headers=bearer(key))

    assert answer(response) == (403, "scope_missing")
    assert read_object(response.get_data())["detail"] == {"scope": "refunds:write"}


def test_a_suspended_sub_merchant_reads_and_finishes_but_starts_nothing(api: FlaskClient) -> None:
    sub_merchant = make_sub_merchant()
    headers = bearer(make_api_key(sub_merchant))
    suspend(sub_merchant=sub_merchant)

    refused = api.post("/pay", headers=headers)

    assert answer(refused) == (403, "suspended")
    assert api.get("/who", headers=headers).status_code == 200
    assert api.post("/close", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ((), "203.0.113.9", 200),
        (("203.0.113.0/24",), "203.0.113.9", 200),
        (("203.0.113.0/24",), "::ffff:203.0.113.9", 200),
        (("203.0.113.0/24", "2001:db8::/32"), "2001:db8::1", 200),
        (("203.0.113.0/24",), "198.51.100.9", 403),
        (("203.0.113.0/24",), "2001:db8::1", 403),
    ],
)
def test_a_key_with_an_address_list_works_from_there_only(
    api: FlaskClient, networks: tuple[str, ...], address: str, status: int
) -> None:
    key = make_api_key(make_sub_merchant(), allowed_networks=networks)

    response = api.get("/who", headers=bearer(key), environ_base={"REMOTE_ADDR": address})

    assert response.status_code == status


def test_a_revoked_key_is_turned_away_at_the_very_next_request(api: FlaskClient) -> None:
    issued = issue_key(sub_merchant=make_sub_merchant())
    headers = bearer(issued.key.reveal())
    before = api.get("/who", headers=headers).status_code

    revoke_key_as_provider(issued.row.id)

    assert (before, api.get("/who", headers=headers).status_code) == (200, 401)


def test_key_tenant_and_provider_come_in_one_query(api: FlaskClient, app: Flask) -> None:
    headers = bearer(make_api_key(make_sub_merchant()))
    api.post("/pay", headers=headers)
    with api.application.app_context():
        engine = db.engine

    with statements_run(engine) as seen:
        response = api.post("/pay", headers=headers)

    assert response.status_code == 200
    assert seen == ["SELECT"]


def test_nothing_of_the_caller_outlives_the_request(api: FlaskClient) -> None:
    headers = bearer(make_api_key(make_sub_merchant()))

    api.get("/who", headers=headers)

    assert tenancy._scope.get() is None
    assert current_actor().kind == "system"


def test_a_guarded_view_is_never_run_unguarded_even_without_the_hooks(
    app: Flask, settings: Settings
) -> None:
    bare = Flask("bare")
    init_database(bare, settings.database_url)
    init_answers(bare, lambda _error: None)
    _pages(bare)
    make_api_key(make_sub_merchant())

    response = bare.test_client().post("/pay")

    assert answer(response) == (401, "unauthorized")


def test_use_is_noted_after_the_answer(api: FlaskClient, app: Flask) -> None:
    sub_merchant: SubMerchant = make_sub_merchant()
    headers = bearer(make_api_key(sub_merchant))

    api.get("/who", headers=headers)

    db.session.expire_all()
    assert [row.last_used_at is not None for row in list_keys(sub_merchant)] == [True]
