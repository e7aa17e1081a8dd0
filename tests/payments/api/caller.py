"""A tenant's system, as it talks to the API, and the order it places when a test names no other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from submerchants.permissions import Permission
from submerchants.tenants.models import SubMerchant
from tests.factories.payments import OPENID
from tests.factories.submerchants import bearer, make_api_key

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status_code: int
    headers: Headers
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return str(self.json["code"])

    @property
    def wrong_fields(self) -> list[str]:
        """The fields a refusal names."""
        return [problem["field"] for problem in self.json["detail"]["fields"]]


def reply(response: TestResponse) -> Reply:
    return Reply(response.status_code, response.headers, response.get_data())


class Api:
    """Calls with one tenant's API key."""

    def __init__(self, client: FlaskClient, sub_merchant: SubMerchant, *scopes: Permission) -> None:
        self._client = client
        self.headers = bearer(make_api_key(sub_merchant, *scopes))

    def get(self, path: str, **query: str) -> Reply:
        sent: dict[str, Any] = {"query_string": query} if query else {}
        return reply(
            self._client.get(f"/api/v1{path}", headers=self.headers, buffered=True, **sent)
        )

    def post(
        self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        sent: dict[str, Any] = {} if body is None else {"json": body}
        return reply(
            self._client.post(f"/api/v1{path}", headers={**self.headers, **(headers or {})}, **sent)
        )

    def post_raw(self, path: str, data: bytes, content_type: str) -> Reply:
        return reply(
            self._client.post(
                f"/api/v1{path}", data=data, headers={**self.headers, "Content-Type": content_type}
            )
        )

    def post_chunks(self, path: str, stream: IO[bytes]) -> Reply:
        """A body without an announced length, as a server hands it on."""
        told = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        return reply(
            self._client.post(
                f"/api/v1{path}",
                input_stream=stream,
                headers={**self.headers, **told},
                environ_overrides={"wsgi.input_terminated": True},
            )
        )

    def order(self, **fields: Any) -> dict[str, Any]:
        """An order placed a moment ago."""
        answer = self.post("/orders", tea(**fields))
        assert answer.status_code == 201, answer.data.decode()
        placed: dict[str, Any] = answer.json
        return placed


def tea(**fields: Any) -> dict[str, Any]:
    """The body of an order for a cup of tea."""
    usual = {
        "merchant_order_no": f"A-{next(_numbers)}",
        "description": "街角茶铺–乌龙",
        "amount_fen": 2800,
        "payer": {"sub_openid": OPENID},
    }
    return {**usual, **fields}


def with_key(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}
