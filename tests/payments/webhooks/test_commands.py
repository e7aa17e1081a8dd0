"""`flask webhook …`, as scripts use it."""

from __future__ import annotations

import json

import pytest
from standardwebhooks.webhooks import Webhook

from tests.factories.webhooks import make_event

pytestmark = [pytest.mark.usefixtures("loopback"), pytest.mark.sqlite_only]


def run(app, *command: str):
    done = app.test_cli_runner().invoke(args=["webhook", *command, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_an_endpoint_is_added_listed_tested_and_removed(app, sub_merchant, receivers):
    made = run(app, "add", sub_merchant.sub_mchid, receivers.url("/ok"), "--event", "order.paid")
    [listed] = run(app, "list", sub_merchant.sub_mchid)
    tested = run(app, "test", made["id"])
    removed = run(app, "remove", made["id"])

    assert made["secret"].startswith("whsec_")
    assert listed == {name: made[name] for name in made if name != "secret"}
    assert tested["state"] == "DELIVERED"
    assert removed == {"id": made["id"], "deleted": True}
    assert run(app, "list", sub_merchant.sub_mchid) == []


def test_what_is_due_is_delivered_on_demand(app, sub_merchant, receivers):
    made = run(app, "add", sub_merchant.sub_mchid, receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)

    figures = run(app, "deliver")

    [arrival] = receivers.arrivals
    Webhook(made["secret"]).verify(arrival.body, arrival.headers)
    assert figures == {"delivered": 1, "failed": 0}


def test_an_event_type_that_does_not_exist_is_refused_with_those_that_do(app, sub_merchant):
    command = [
        "webhook",
        "add",
        sub_merchant.sub_mchid,
        "http://127.0.0.1/",
        "--event",
        "order.won",
    ]

    done = app.test_cli_runner().invoke(args=command)

    assert done.exit_code == 1
    assert "order.won" in done.stderr
    assert "reconciliation.completed" in done.stderr
