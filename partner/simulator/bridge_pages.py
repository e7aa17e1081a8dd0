"""The bridge as a page sees it: `/bridge.js`, and the call it makes back to here.

In WeChat the bridge is part of the client. Here an ordinary browser loads it as a script from
another site, so these two paths, and only these, answer pages from anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request, url_for

from partner.simulator.bridge import InvokeRefused

if TYPE_CHECKING:
    from partner.simulator.world import World

SCRIPT: Final = Path(__file__).with_name("static") / "bridge.js"
MAX_CALL_BYTES: Final = 16 * 1024


def bridge_pages(world: World) -> Blueprint:
    """The bridge's two paths."""
    blueprint = Blueprint("bridge", __name__)
    blueprint.after_request(_for_everybody)

    @blueprint.get("/bridge.js")
    def script() -> Response:
        return Response(SCRIPT.read_bytes(), mimetype="text/javascript")

    @blueprint.post("/bridge/pay")
    def pay() -> Response:
        try:
            params, url = _asked()
            world.bridge.open_page(params, url)
        except InvokeRefused as refusal:
            return jsonify(err_msg="get_brand_wcpay_request:fail", err_desc=refusal.text)
        session = params["package"].removeprefix("prepay_id=")
        where = {"prepay_id": session, "opener": _origin(url)}
        return jsonify(cashier=url_for("pages.cashier", **where, _external=True))

    return blueprint


def _asked() -> tuple[dict[str, Any], str]:
    """The parameters and the page's URL. The browser's own Origin must not contradict the page."""
    try:
        asked = json.loads(request.get_data()[:MAX_CALL_BYTES])
        params, url = asked["params"], asked["url"]
        is_web = isinstance(url, str) and urlsplit(url).scheme in ("http", "https")
    except (ValueError, KeyError, TypeError):
        raise InvokeRefused("调用支付JSAPI的参数格式有误") from None
    if not isinstance(params, dict) or not is_web:
        raise InvokeRefused("调用支付JSAPI的参数格式有误")
    if request.headers.get("Origin", _origin(url)) != _origin(url):
        raise InvokeRefused(f"当前页面的URL未注册：{url}")
    return params, url


def _origin(url: str) -> str:
    page = urlsplit(url)
    return f"{page.scheme}://{page.netloc}"


def _for_everybody(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
