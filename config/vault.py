"""Secrets: values that never print themselves, and envelopes that only their own row can open.

An envelope is AES-256-GCM with a random nonce under a master key that lives outside the database.
Table, column, row and tenant are authenticated with it, so an envelope copied to another row,
column or tenant does not open. Each names the master key that sealed it: the first configured key
seals, all open, `vault rekey` moves everything to the first.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ENVELOPE_VERSION = "v1"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class VaultError(Exception):
    """A master key is unusable, or an envelope does not belong where it was found."""


class Secret:
    """Text that shows stars wherever it is printed; `reveal()` is the one way out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('****')"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return "****"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._text.encode(), other._text.encode()
        )

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __reduce__(self) -> str:
        raise VaultError("A secret is not pickled.")


class SecretBox:
    """Seals and opens envelopes with versioned master keys."""

    def __init__(self, master_keys: Mapping[str, bytes]) -> None:
        if not master_keys:
            raise VaultError("No master key is configured.")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in master_keys.items()}
        self.sealing_key_id = next(iter(master_keys))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The configured master keys, the one that seals first."""
        return tuple(self._ciphers)

    def seal(self, secret: Secret, context: str) -> str:
        """An envelope that opens only under the same context."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self.sealing_key_id].encrypt(
            nonce, secret.reveal().encode(), context.encode()
        )
        body = base64.b64encode(nonce + sealed).decode()
        return f"{_ENVELOPE_VERSION}:{self.sealing_key_id}:{body}"

    def open(self, envelope: str, context: str) -> Secret:
        """The sealed text. Raises VaultError for a foreign key, row, column or tenant."""
        key_id = key_id_of(envelope)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise VaultError(f"The master key {key_id!r} that sealed this is not configured.")
        try:
            raw = base64.b64decode(envelope.split(":", 2)[2], validate=True)
            plain = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise VaultError(
                f"An envelope of master key {key_id!r} does not open: wrong key, or a moved row."
            ) from error
        return Secret(plain.decode())


def key_id_of(envelope: str) -> str:
    """The id of the master key that sealed an envelope."""
    version, _, rest = envelope.partition(":")
    if version != _ENVELOPE_VERSION or ":" not in rest:
        raise VaultError("This is not an envelope of this vault.")
    return rest.split(":", 1)[0]


def parse_master_keys(text: str) -> dict[str, bytes]:
    """Read `id:base64key[,id:base64key…]`. Raises VaultError that names the fault, not the key."""
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, _, encoded = part.strip().partition(":")
        if not _KEY_ID.fullmatch(key_id):
            raise VaultError("each key needs an id of letters, digits, _ or - before the colon")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise VaultError(f"the key {key_id!r} is not base64") from error
        if len(key) != _KEY_BYTES:
            raise VaultError(f"the key {key_id!r} must be {_KEY_BYTES} bytes, it is {len(key)}")
        if len(set(key)) < _KEY_BYTES // 4:
            raise VaultError(f"the key {key_id!r} is not random")
        if key_id in keys:
            raise VaultError(f"the id {key_id!r} is used twice")
        keys[key_id] = key
    return keys


_box: SecretBox | None = None


def unlock(master_keys: Mapping[str, bytes]) -> None:
    """Give the process its master keys; done once by the composition root."""
    global _box
    _box = SecretBox(master_keys)


def box() -> SecretBox:
    """The process's secret box. Raises VaultError before `unlock`."""
    if _box is None:
        raise VaultError("The vault is locked: the composition root has not unlocked it.")
    return _box


class Sealed:
    """A model attribute whose column holds an envelope.

    `api_v3_key = Sealed("api_v3_key_sealed")` reads as a `Secret` and takes one. The row must have
    its `id` (and, on a tenant's table, its tenant) before a secret is put in, because the envelope
    is bound to them.
    """

    declared: ClassVar[list[tuple[type[Any], Sealed]]] = []

    def __init__(self, column: str) -> None:
        self.column = column

    def __set_name__(self, owner: type[Any], name: str) -> None:
        Sealed.declared.append((owner, self))

    def context(self, row: Any) -> str:
        """What binds an envelope: table, column, row, tenant. Raises VaultError without an id."""
        if not row.id:
            raise VaultError("A row needs its id before it can hold a secret.")
        tenant = getattr(row, "sub_merchant_id", None) or "-"
        return f"{row.__tablename__}/{self.column}/{row.id}/{tenant}"

    def __get__(self, row: Any, owner: type[Any] | None = None) -> Secret:
        envelope = getattr(row, self.column)
        if envelope is None:
            raise VaultError("No secret is stored here.")
        return box().open(envelope, self.context(row))

    def __set__(self, row: Any, secret: Secret) -> None:
        setattr(row, self.column, box().seal(secret, self.context(row)))

    def rekey(self, row: Any) -> bool:
        """Seal again under the first master key; False when it already is, or nothing is stored."""
        envelope = getattr(row, self.column)
        if envelope is None or key_id_of(envelope) == box().sealing_key_id:
            return False
        self.__set__(row, self.__get__(row))
        return True


def sealed_attributes() -> Iterator[tuple[type[Any], Sealed]]:
    """Every mapped class with a sealed attribute, for `vault rekey` and the check at start."""
    yield from Sealed.declared
