"""WeChat's OAuth page, and the exchange of its codes and of mini programs' codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from partner.simulator.answers import compact_json
from partner.simulator.oauth import ExchangeError, OAuthPageError, with_query
from partner.simulator.people import DEFAULT_PERSON
from partner.simulator.phone import holder

if TYPE_CHECKING:
    from partner.simulator.world import World


def add_oauth(blueprint: Blueprint, world: World) -> None:
    """The paths of open.weixin.qq.com and api.weixin.qq.com."""

    @blueprint.get("/connect/oauth2/authorize")
    def authorize() -> AnyResponse | tuple[str, int]:
        query = request.args.to_dict()
        try:
            world.oauth.check(query)
        except OAuthPageError as problem:
            return render_template("oauth_error.html", problem=problem), 400
        if query["scope"] == "snsapi_userinfo" and query.get("consent") != "yes":
            return _consent(world, query), 200
        return redirect(world.oauth.grant(query, holder(world) or DEFAULT_PERSON), 302)

    @blueprint.get("/sns/oauth2/access_token")
    def access_token() -> Response:
        return _exchanged(world.oauth.exchange)

    @blueprint.get("/sns/jscode2session")
    def js_code_to_session() -> Response:
        return _exchanged(world.oauth.exchange_js_code)


def _exchanged(exchange: Callable[[dict[str, str]], dict[str, Any]]) -> Response:
    """The open platform sends its JSON as text/plain, and refusals as HTTP 200."""
    try:
        body = exchange(request.args.to_dict())
    except ExchangeError as problem:
        body = problem.body
    return Response(compact_json(body), mimetype="text/plain")


def _consent(world: World, query: dict[str, str]) -> str:
    return render_template(
        "consent.html",
        appid=query["appid"],
        person=holder(world) or DEFAULT_PERSON,
        agree=with_query(request.full_path, consent="yes"),
        decline=with_query(query["redirect_uri"], state=query["state"]),
    )
