"""The levers of a running simulator: its clock, its payers, its faults.

WeChat Pay has none of these; they exist for demos and tests, and are pulled over HTTP so that the
simulator stays a program of its own.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import requests

from config.errors import RefusedHere, Unavailable

TIMEOUT_SECONDS: Final = 10


class NoSimulator(RefusedHere):
    """The folder is not a simulator's home."""

    code = "no_simulator"


class SimulatorSilent(Unavailable):
    """The simulator does not answer, or refuses a lever."""

    code = "simulator_silent"


class Levers:
    """One simulator, found by its home."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        try:
            self.facts: dict[str, Any] = json.loads((home / "simulator.json").read_text())
        except (OSError, ValueError) as error:
            raise NoSimulator(
                f"{home} is not a simulator's home. Start one with `make simulate`, "
                "or name its folder with --simulator-home."
            ) from error
        self.home = home
        self.url = (url or self.facts["base_url"]).rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def file(self, name: str) -> str:
        """One of the files the simulator wrote for the provider."""
        return (self.home / name).read_text(encoding="utf-8")

    def set_clock(self, moment: datetime) -> None:
        """Make it this moment over there; the clock runs on from it."""
        self._pull("POST", "/_simulator/clock", {"now": moment.isoformat()})

    def release_clock(self) -> None:
        """Back to the machine's own time."""
        offset = self._pull("GET", "/_simulator/clock")["offset_seconds"]
        self._pull("POST", "/_simulator/clock", {"advance_seconds": -offset})

    def pay(self, out_trade_no: str) -> None:
        """The payer pays."""
        self._pull("POST", f"/_simulator/orders/{out_trade_no}/pay", {})

    def payment_code(self, behaviour: str) -> str:
        """What a payer shows at a till; `behaviour` says what comes of scanning it."""
        made = self._pull("POST", "/_simulator/payment-codes", {"behaviour": behaviour})
        return str(made["auth_code"])

    def hold_refunds(self, *, are_held: bool) -> None:
        """Whether accepted refunds wait to be settled by hand, or succeed by themselves."""
        outcome = "HOLD" if are_held else None
        self._pull("POST", "/_simulator/refund-outcome", {"outcome": outcome})

    def settle_refund(self, out_refund_no: str, status: str) -> None:
        """WeChat Pay comes to an end with a refund: SUCCESS, ABNORMAL or CLOSED."""
        self._pull("POST", f"/_simulator/refunds/{out_refund_no}/settle", {"status": status})

    def refund_by_hand(self, out_trade_no: str, amount_fen: int) -> str:
        """Somebody refunds in the merchant platform, and WeChat Pay tells; its out_refund_no."""
        asked: dict[str, object] = {"amount_fen": amount_fen, "notify": True}
        made = self._pull("POST", f"/_simulator/orders/{out_trade_no}/refund", asked)
        return str(made["out_refund_no"])

    def register(self, **news: object) -> None:
        """Tell WeChat Pay's side something about the provider or its sub-merchants."""
        self._pull("POST", "/_simulator/merchants", {"sp_mchid": self.facts["sp_mchid"], **news})

    def set_fault(self, kind: str, **details: object) -> None:
        """Let something go wrong once."""
        self._pull("POST", "/_simulator/faults", {"kind": kind, **details})

    def _pull(self, method: str, path: str, body: dict[str, object] | None = None) -> Any:
        try:
            answer = self._session.request(
                method, f"{self.url}{path}", json=body, timeout=TIMEOUT_SECONDS
            )
            answer.raise_for_status()
        except requests.RequestException as error:
            raise SimulatorSilent(
                f"The simulator at {self.url} does not do as it is told ({error}). "
                "Is `make simulate` running?"
            ) from error
        return answer.json()
