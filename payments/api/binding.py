"""How a view gets its request: checked values for the parameters it names, or a refusal.

A view says what it takes with the annotations `path`, `query` and `body`. flask-openapi reads them
to describe the API; reading a request is done here instead, because the framework builds each
query's JSON schema anew on every request and reports unreadable JSON as missing fields.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import TypeVar, cast, get_type_hints

from flask import Response, current_app, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from config.errors import InvalidPayload, NotFound
from config.payloads import MAX_BODY_BYTES, invalid_fields, parse
from config.vault import Secret, box
from payments.api.schemas import Path, Payload
from payments.idempotency import Answer, answer_once
from submerchants.access import current_caller

View = TypeVar("View", bound=Callable[..., Response])

KEY_HEADER = "Idempotency-Key"
REPLAY_HEADER = "Idempotency-Replayed"
MAX_KEY_LENGTH = 255
KEY_PATTERN = rf"^[\x20-\x7E]{{1,{MAX_KEY_LENGTH}}}$"
_KEY = re.compile(KEY_PATTERN)


def bound(view: View) -> View:
    """Hand the view its checked `path`, `query` and `body`; refuse what it does not take."""
    hints = get_type_hints(view)
    path, query, body = (hints.get(name) for name in ("path", "query", "body"))

    @wraps(view)
    def read(**raw: str) -> Response:
        request.max_content_length = MAX_BODY_BYTES
        values: dict[str, BaseModel] = {}
        if path is not None:
            values["path"] = _read_path(path, raw)
        if query is not None:
            values["query"] = _read_query(query)
        elif request.args:
            raise _unexpected("This address takes no query parameters.", sorted(request.args))
        if body is not None:
            values["body"] = _read_body(body)
        elif request.method == "POST" and request.get_data().strip() not in (b"", b"{}"):
            raise InvalidPayload("This address takes no body. Send none, or {}.")
        return view(**values)

    read.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return cast("View", read)


def repeatable(operation: str, *, is_secret: bool = False) -> Callable[[View], View]:
    """Honour an Idempotency-Key on a view that creates; stands below `bound`.

    An answer that is secret is kept in an envelope of the vault.
    """

    def declare(view: View) -> View:
        @wraps(view)
        def once(**values: BaseModel) -> Response:
            key = request.headers.get(KEY_HEADER)
            if key is None:
                return view(**values)
            if not _KEY.fullmatch(key):
                raise _unexpected(
                    f"{KEY_HEADER} must be 1 to {MAX_KEY_LENGTH} printable ASCII characters.",
                    [KEY_HEADER],
                )
            tenant = current_caller().sub_merchant.id
            shelf = _Shelf(f"idempotency/{tenant}/{operation}" if is_secret else None)
            kept = answer_once(
                sub_merchant_id=tenant,
                operation=operation,
                key=key,
                request_hash=_fingerprint(values),
                work=lambda: shelf.put(_finished(view(**values))),
            )
            return _rendered(shelf.get(kept))

        once.takes_key = True  # type: ignore[attr-defined]  # read by the API's document
        return cast("View", once)

    return declare


def answer(shown: Mapping[str, object], status: int = 200) -> Response:
    """One object as JSON."""
    return Response(
        current_app.json.dumps(shown, separators=(",", ":")),
        status=status,
        mimetype="application/json",
    )


def _read_path(schema: type[Path], raw: Mapping[str, str]) -> BaseModel:
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        # What cannot be an id of ours is absent, like any other that is not there.
        raise NotFound(schema.absent) from error


def _read_query(schema: type[BaseModel]) -> BaseModel:
    given = request.args
    repeated = sorted(name for name, values in given.lists() if len(values) > 1)
    if repeated:
        raise _unexpected("A query parameter is given twice.", repeated)
    try:
        return schema.model_validate(given.to_dict())
    except ValidationError as error:
        raise invalid_fields(error) from error


def _read_body(schema: type[BaseModel]) -> BaseModel:
    if issubclass(schema, Payload) and schema.may_be_absent and not request.get_data():
        return schema()
    if not request.is_json:
        raise UnsupportedMediaType
    return parse(schema, request)


def _fingerprint(values: Mapping[str, BaseModel]) -> str:
    """The same for the same content, whatever its blanks and its order of fields."""
    text = "".join(each.model_dump_json() for each in values.values())
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Shelf:
    """How an answer is kept: as it is, or sealed for this context."""

    context: str | None

    def put(self, finished: Answer) -> Answer:
        if self.context is None:
            return finished
        return replace(finished, body=box().seal(Secret(finished.body), self.context))

    def get(self, kept: Answer) -> Answer:
        if self.context is None:
            return kept
        return replace(kept, body=box().open(kept.body, self.context).reveal())


def _finished(response: Response) -> Answer:
    return Answer(response.status_code, response.get_data(as_text=True))


def _rendered(finished: Answer) -> Response:
    response = Response(finished.body, status=finished.status, mimetype="application/json")
    if finished.is_replay:
        response.headers[REPLAY_HEADER] = "true"
    return response


def _unexpected(message: str, fields: list[str]) -> InvalidPayload:
    problems = [{"field": name, "problem": message} for name in fields]
    return InvalidPayload(message, fields=problems)
