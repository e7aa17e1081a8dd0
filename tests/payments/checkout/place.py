"""The application and WeChat's side behind real ports, for a real browser: two origins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

import wsgi
from config.clock import frozen_at, now
from config.database import Base, db
from config.settings import Settings
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.checkout.links import cancel_link, find_link, page_url
from payments.checkout.models import CheckoutLink
from payments.checkout.standing import standing_of
from payments.checkout.turns import take_turn
from payments.orders.sync import sync_order
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.checkout import make_link, ready_for_checkout
from tests.factories.partner import make_partner_of
from tests.factories.submerchants import make_sub_merchant


class Place:
    """What a browser finds, and what a test needs to arrange it."""

    def __init__(self, app: Flask, url: str, simulator: Simulator) -> None:
        self.app = app
        self.url = url
        self.simulator = simulator
        self.partner: Partner = make_partner_of(simulator, name="云帆收银")
        first = {**simulator.facts["sub_merchants"][0], "name": "山茶咖啡·徐汇店"}
        self.shop: SubMerchant = make_sub_merchant(partner=self.partner, **first)
        ready_for_checkout(self.partner)
        simulator.register(payment_directories=[f"{url}/checkout/"])

    def link(self, **fields: Any) -> CheckoutLink:
        return make_link(sub_merchant=self.shop, partner=self.partner, **fields)

    def page(self, link: CheckoutLink) -> str:
        with acting_for(link.sub_merchant_id):
            return page_url(link)

    def cancel(self, link: CheckoutLink) -> None:
        with acting_for(link.sub_merchant_id):
            cancel_link(link)

    def paid(self) -> CheckoutLink:
        """A link somebody has paid, of which we have heard."""
        link = self.link()
        with acting_for(link.sub_merchant_id):
            openid = self.simulator.people.openid(link.appid, "payer")
            order = take_turn(find_link(link.token.reveal()), openid=openid)
            self.simulator.pay(order.out_trade_no)
            sync_order(order)
        return link

    def pay_elsewhere(self, link: CheckoutLink) -> None:
        """The money comes in while the payer still looks at the cashier."""
        with acting_for(link.sub_merchant_id):
            standing = standing_of(link)
        assert standing.order is not None
        self.simulator.pay(standing.order.out_trade_no)

    def expired(self) -> CheckoutLink:
        """A link made long ago."""
        with frozen_at(now() - timedelta(days=2)):
            return self.link()

    def away(self, page: str) -> str:
        """The cookie of a browser that was sent to sign in twice and did not come back."""
        return f"{find_link(page.rpartition('/')[2]).link.id}.2"


@contextmanager
def opened_place(variables: dict[str, str], folder: Path) -> Iterator[Place]:
    """Both programs, each on a free loopback port, until the block ends."""
    here: dict[str, Any] = {}
    servers = [
        make_server("127.0.0.1", 0, lambda *call, who=who: here[who](*call), threaded=True)
        for who in ("application", "simulator")
    ]
    url, wechat = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    simulator = Simulator(folder / "simulator", base_url=wechat, persistent=False)
    told = {
        **variables,
        "PUBLIC_BASE_URL": url,
        "DATABASE_URL": f"sqlite:///{folder / 'checkout.sqlite'}",
        **dict.fromkeys(("WECHATPAY_BASE_URL", "WECHATPAY_FALLBACK_BASE_URL"), wechat),
        **dict.fromkeys(("WEIXIN_OPEN_BASE_URL", "WEIXIN_API_BASE_URL"), wechat),
    }
    app: Flask = wsgi.create_app(Settings.from_values(told))
    here.update(application=app, simulator=simulator.app)
    serving = [threading.Thread(target=each.serve_forever, daemon=True) for each in servers]
    with app.app_context():
        Base.metadata.create_all(db.engine)
        for thread in serving:
            thread.start()
        yield Place(app, url, simulator)
        for server, thread in zip(servers, serving, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
        simulator.close()
        db.session.remove()
        db.engine.dispose()
