"""Secrets that were really used, and every place where one of them could have been left.

A test drives the platform between `Watch` and `finds`. What was answered, what was logged and what
is stored are then searched for each canary, in clear and in the usual disguises.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from config.database import Base, db, release
from config.logs import configure_logs

LOG = "log"


@dataclass(frozen=True, slots=True)
class Place:
    """One piece of text and where it was found: `log`, `row orders`, `GET /admin/ body`."""

    name: str
    text: str


Allowed = Callable[[Place], bool]


def nowhere(_place: Place) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret, and the few places that are meant to hold it."""

    name: str
    value: str
    may_stand: Allowed = nowhere

    def stands_in(self, place: Place) -> bool:
        disguises = {
            self.value,
            quote(self.value, safe=""),
            json.dumps(self.value)[1:-1],
            base64.b64encode(self.value.encode()).decode().rstrip("="),
        }
        return any(disguise in place.text for disguise in disguises)


@dataclass
class Watch:
    """What a day left behind."""

    log: io.StringIO
    heard: list[Place] = field(default_factory=list)

    def note(self, name: str, text: str) -> None:
        """Text that left the process some other way, such as a command's output."""
        self.heard.append(Place(name, text))

    def places(self) -> list[Place]:
        """Everything there is to search: answers, the log, and each stored row."""
        return [*self.heard, Place(LOG, self.log.getvalue()), *_rows()]

    def finds(self, *canaries: Canary) -> list[str]:
        """Every canary at a place that is not meant to hold it."""
        places = self.places()
        return [
            f"{canary.name} in {place.name}"
            for canary in canaries
            for place in places
            if canary.stands_in(place) and not canary.may_stand(place)
        ]

    def was_used(self, canary: Canary) -> bool:
        """Whether it was seen at a place that is meant to hold it."""
        return any(canary.may_stand(each) and canary.stands_in(each) for each in self.places())


def _rows() -> list[Place]:
    release()
    with db.engine.connect() as connection:
        return [
            Place(f"row {table.name}", " ".join(map(_text, row)))
            for table in Base.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


@pytest.fixture
def watch(app: Flask) -> Iterator[Watch]:
    """Listens to every client of the application, and to what the process writes down."""
    written, usual = io.StringIO(), app.test_client_class
    watching = Watch(written)

    class Listening(usual):  # type: ignore[misc, valid-type]
        def open(self, *args: Any, **kwargs: Any) -> Any:
            answer = super().open(*args, **kwargs)
            asked = f"{answer.request.method} {answer.request.path}"
            for name, value in answer.headers:
                watching.note(f"{asked} {name}", value)
            watching.note(f"{asked} {answer.mimetype}", answer.get_data(as_text=True))
            return answer

    app.test_client_class = Listening
    with contextlib.redirect_stderr(written):
        configure_logs()
        yield watching
    configure_logs()
    app.test_client_class = usual


def every_page(app: Flask, client: FlaskClient, door: str, **ids: str) -> list[int]:
    """Open each page behind a door whose ids are known; answers the statuses."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(door)]
    with app.test_request_context():
        return [
            client.get(app.url_map.bind("").build(rule.endpoint, ids)).status_code
            for rule in rules
            if "GET" in (rule.methods or ()) and rule.arguments <= set(ids)
        ]
