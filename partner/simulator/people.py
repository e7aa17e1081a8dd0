"""Openids: one string for each person and appid, the same every time.

An openid that was handed out here belongs to its appid and no other. One that was not is taken at
its word: tests make them up, and WeChat's real users are not in this building either.
"""

from __future__ import annotations

import base64
import hashlib

from partner.simulator.storage import Storage


class People:
    """Who the payers are, under which appid."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def openid(self, appid: str, person: str) -> str:
        """The person's openid under the appid: `o` and 27 characters."""
        digest = hashlib.sha256(f"{appid}\n{person}".encode()).digest()
        openid = "o" + base64.urlsafe_b64encode(digest).decode()[:27]
        self._storage.execute(
            "INSERT INTO openids VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (openid, appid, person)
        )
        return openid

    def appid_of(self, openid: str) -> str | None:
        """The appid an openid was handed out for; None for one that was not."""
        row = self._storage.row("SELECT appid FROM openids WHERE openid = ?", (openid,))
        return None if row is None else str(row["appid"])

    def same_person(self, openid: str, appid: str) -> str:
        """The openid, under `appid`, of whoever is behind this one."""
        row = self._storage.row("SELECT person FROM openids WHERE openid = ?", (openid,))
        return self.openid(appid, row["person"] if row else f"the one known as {openid}")
