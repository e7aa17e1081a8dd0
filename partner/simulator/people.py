"""Openids: one string for each person and appid, the same every time.

An openid that was handed out here belongs to its appid and no other. One that was not is taken at
its word: tests make them up, and WeChat's real users are not in this building either.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from partner.simulator.storage import Storage

DEFAULT_PERSON: Final = "payer"
EVERYONE: Final = (DEFAULT_PERSON, "wang", "li")
STRANGER: Final = "the one known as "
PERSON: Final = re.compile(r"[0-9A-Za-z_.@-]{1,64}")
PERSON_SETTING: Final = "person"


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

    def virtual_openid(self, appid: str) -> str:
        """What a snapshot page gets: it looks like an openid, belongs to no appid, and cannot
        pay."""
        person = f"{STRANGER}a snapshot page of {appid}"
        return self.openid("snapshot", person)

    def person_of(self, openid: str) -> str | None:
        """Who is behind an openid; None for one that was not handed out here."""
        row = self._storage.row("SELECT person FROM openids WHERE openid = ?", (openid,))
        return None if row is None else str(row["person"])

    def current(self) -> str | None:
        """Who holds the phone, if a lever said so."""
        name = self._storage.setting(PERSON_SETTING)
        return None if name is None else str(name)

    def hand_over(self, person: str | None) -> None:
        """From now on `person` holds the phone; None: nobody in particular."""
        self._storage.remember_setting(PERSON_SETTING, person)

    def names(self) -> list[str]:
        """Everyone who was ever seen, and the few who are always there."""
        rows = self._storage.rows("SELECT DISTINCT person FROM openids ORDER BY person")
        known = [row["person"] for row in rows if not row["person"].startswith(STRANGER)]
        return list(dict.fromkeys([*EVERYONE, *known]))

    def appid_of(self, openid: str) -> str | None:
        """The appid an openid was handed out for; None for one that was not."""
        row = self._storage.row("SELECT appid FROM openids WHERE openid = ?", (openid,))
        return None if row is None else str(row["appid"])

    def same_person(self, openid: str, appid: str) -> str:
        """The openid, under `appid`, of whoever is behind this one."""
        row = self._storage.row("SELECT person FROM openids WHERE openid = ?", (openid,))
        return self.openid(appid, row["person"] if row else STRANGER + openid)
