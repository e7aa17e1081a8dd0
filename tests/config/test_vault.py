"""Secrets and envelopes: bound to their row, readable with the right key only."""

import copy
import json
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.vault import Secret, SecretBox, VaultError, sealed_attributes

CONTEXT = "partners/key_sealed/prt_1/-"


@pytest.fixture
def box() -> SecretBox:
    return SecretBox({"k2": os.urandom(32), "k1": os.urandom(32)})


@given(text=st.text(max_size=400))
def test_what_is_sealed_opens_again(text):
    box = SecretBox({"k1": b"0123456789abcdef0123456789ABCDEF"})

    assert box.open(box.seal(Secret(text), CONTEXT), CONTEXT).reveal() == text


@pytest.mark.parametrize(
    "elsewhere",
    [
        "partners/key_sealed/prt_2/-",
        "partners/other_sealed/prt_1/-",
        "operators/key_sealed/prt_1/-",
        "partners/key_sealed/prt_1/sub_1",
    ],
)
def test_an_envelope_moved_to_another_place_does_not_open(box, elsewhere):
    envelope = box.seal(Secret("s"), CONTEXT)

    with pytest.raises(VaultError):
        box.open(envelope, elsewhere)


def test_the_same_secret_twice_looks_different(box):
    assert box.seal(Secret("s"), CONTEXT) != box.seal(Secret("s"), CONTEXT)


def test_the_first_key_seals_and_all_open(box):
    old_only = SecretBox({"k1": os.urandom(32)})
    sealed = box.seal(Secret("s"), CONTEXT)

    assert sealed.startswith("v1:k2:")
    with pytest.raises(VaultError, match="k2"):
        old_only.open(sealed, CONTEXT)


def test_an_altered_envelope_does_not_open(box):
    sealed = box.seal(Secret("s"), CONTEXT)
    altered = sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:]

    with pytest.raises(VaultError):
        box.open(altered, CONTEXT)


@pytest.mark.parametrize("text", ["", "v1", "v2:k1:AAAA", "v1:k2:***", "v1:k2:"])
def test_what_is_no_envelope_is_said_so(box, text):
    with pytest.raises(VaultError):
        box.open(text, CONTEXT)


def test_a_secret_shows_stars_wherever_it_is_printed():
    secret = Secret("canary")

    shown = [
        f"{secret}",
        str(secret),
        repr(secret),
        f"{secret:>20}",
        json.dumps([secret], default=str),
    ]

    assert not any("canary" in text for text in shown)
    with pytest.raises(VaultError):
        pickle.dumps(secret)
    with pytest.raises(VaultError):
        copy.copy(secret)
    assert secret == Secret("canary")
    assert secret != Secret("other")


@pytest.mark.sqlite_only
def test_every_sealed_column_is_bound_to_its_row_and_its_tenant(app):
    for owner, sealed in sealed_attributes():
        is_tenants = hasattr(owner, "sub_merchant_id")
        row = owner(id="row_1", **({"sub_merchant_id": "sub_1"} if is_tenants else {}))
        sealed.__set__(row, Secret("s"))
        moves = {"id": "row_2", **({"sub_merchant_id": "sub_2"} if is_tenants else {})}

        for name, elsewhere in moves.items():
            here = getattr(row, name)
            setattr(row, name, elsewhere)
            with pytest.raises(VaultError):
                sealed.__get__(row)
            setattr(row, name, here)

        assert sealed.__get__(row).reveal() == "s"
