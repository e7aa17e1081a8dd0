"""A whole deployment of real programs on one fresh database; journeys may kill some of them."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from flask import Flask

import wsgi
from config.database import db
from config.settings import Settings
from partner.models import Partner
from submerchants.tenants.models import SubMerchant
from tests import programs
from tests.factories.partner import make_partner_of
from tests.factories.submerchants import make_api_key, make_sub_merchant
from tests.programs import HOST, Program, free_port


@dataclass
class WeChatPay:
    """The simulator as a program, and its levers."""

    program: Program
    home: Path
    url: str

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.home / "simulator.json").read_text())
        return facts

    def set_fault(self, kind: str, **details: object) -> None:
        self._call("POST", "faults", {"kind": kind, **details})

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def advance(self, seconds: float) -> None:
        self._call("POST", "clock", {"advance_seconds": seconds})

    def pay(self, out_trade_no: str) -> None:
        self._call("POST", f"orders/{out_trade_no}/pay", {})

    def orders(self) -> list[dict[str, Any]]:
        """The truth about every order."""
        found: list[dict[str, Any]] = self._call("GET", "orders?limit=10000")["data"]
        return found

    def refunds(self) -> list[dict[str, Any]]:
        """The truth about every refund."""
        found: list[dict[str, Any]] = self._call("GET", "refunds?limit=10000")["data"]
        return found

    def notifications(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "notifications?limit=10000")["data"]
        return found

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = requests.request(method, f"{self.url}/_simulator/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()


@dataclass
class Deployment:
    """The programs, and an application object of our own on the same database."""

    app: Flask
    wechatpay: WeChatPay
    web: Program
    schedulers: list[Program]
    url: str
    tenants: list[tuple[SubMerchant, str]] = field(default_factory=list)

    @property
    def programs(self) -> list[Program]:
        return [*self.schedulers, self.web, self.wechatpay.program]

    def stop(self) -> None:
        for program in self.programs:
            program.stop()


@contextmanager
def deployed(
    database_url: str, folder: Path, *, workers: int, schedulers: int
) -> Iterator[Deployment]:
    """Everything running on an empty database; three tenants with a key each are registered."""
    web_port, simulator_port = free_port(), free_port()
    home = folder / "simulator"
    wechatpay = WeChatPay(
        programs.simulator(home, simulator_port), home, f"http://{HOST}:{simulator_port}"
    )
    environment = variables_for(database_url, f"http://{HOST}:{web_port}", wechatpay.url)
    made = Deployment(
        app=wsgi.create_app(Settings.from_environment(environment)),
        wechatpay=wechatpay,
        web=programs.web(environment, web_port, folder / "web.log", workers=workers),
        schedulers=[
            programs.scheduler(environment, folder / f"scheduler{number}.log")
            for number in range(schedulers)
        ],
        url=f"http://{HOST}:{web_port}",
    )
    with ExitStack() as running:
        running.callback(made.stop)
        wechatpay.program.start().wait_ready()
        programs.run_flask(environment, "db", "upgrade")
        _register(made)
        for program in (made.web, *made.schedulers):
            program.start()
        made.web.wait_ready()
        yield made
        with made.app.app_context():
            db.engine.dispose()


def _register(made: Deployment) -> None:
    with made.app.app_context():
        partner: Partner = make_partner_of(made.wechatpay)
        for sub in made.wechatpay.facts["sub_merchants"]:
            sub_merchant = make_sub_merchant(partner=partner, **sub)
            made.tenants.append((sub_merchant, make_api_key(sub_merchant)))


def variables_for(database_url: str, public_url: str, wechatpay_url: str) -> dict[str, str]:
    """Fresh keys, and where everything is."""
    return {
        "DATABASE_URL": database_url,
        "MASTER_KEYS": f"test:{base64.b64encode(os.urandom(32)).decode()}",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_BASE_URL": public_url,
        "WECHATPAY_BASE_URL": wechatpay_url,
        "WECHATPAY_FALLBACK_BASE_URL": wechatpay_url,
    }
