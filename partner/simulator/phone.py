"""Whose phone a browser is: by its own cookie, by the lever, or nobody's in particular."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from partner.simulator.people import PERSON

if TYPE_CHECKING:
    from partner.simulator.world import World

PERSON_COOKIE: Final = "wechat_person"


def holder(world: World) -> str | None:
    """Who holds the phone: `?person=`, else this browser's choice, else the lever's."""
    return _named() or _chosen() or world.people.current()


def remember_holder(response: AnyResponse) -> AnyResponse:
    """Whoever was named in the address keeps this browser."""
    person = _named()
    if person:
        give_to(response, person)
    return response


def give_to(response: AnyResponse, person: str) -> None:
    """This browser is the person's phone from now on."""
    response.set_cookie(PERSON_COOKIE, person, httponly=True, samesite="Lax")


def _named() -> str | None:
    return _person(request.args.get("person", ""))


def _chosen() -> str | None:
    return _person(request.cookies.get(PERSON_COOKIE, ""))


def _person(name: str) -> str | None:
    return name if PERSON.fullmatch(name) else None
