"""For people: the ledger page, the cashier, and WeChat's OAuth page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

if TYPE_CHECKING:
    from partner.simulator.world import World


def pages(world: World) -> Blueprint:
    return Blueprint("pages", __name__)
