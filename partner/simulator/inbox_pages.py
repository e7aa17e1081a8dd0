"""The inbox's door and window: where webhooks are sent, and the page that shows them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, jsonify, render_template, request

if TYPE_CHECKING:
    from partner.simulator.world import World

KEPT_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


def inbox_levers(blueprint: Blueprint, world: World) -> None:
    """Add the inbox to the control paths."""

    @blueprint.post("/inbox")
    def take() -> tuple[str, int]:
        sent = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
        world.inbox.take(sent, request.get_data(as_text=True))
        return "", 204

    @blueprint.get("/inbox")
    def letters() -> Response:
        return jsonify(data=[asdict(letter) for letter in world.inbox.letters()])


def add_inbox(blueprint: Blueprint, world: World) -> None:
    """Add the page that shows it."""

    @blueprint.get("/inbox")
    def inbox() -> str:
        return render_template("inbox.html", letters=world.inbox.letters()[::-1])
