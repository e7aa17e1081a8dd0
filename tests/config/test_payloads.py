"""JSON that two parsers could understand differently is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InvalidPayload
from config.payloads import MAX_NESTING, read_object

REFUSED = [
    b"",
    b"[]",
    b'"text"',
    b"7",
    b"{",
    b'{"a": 1,}',
    b'{"a": 1, "a": 2}',
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": 1' + b"0" * 40 + b"}",
    b'{"a": "\xff"}',
    b'{"a": "\\ud800"}',
    b'{"a": ' + b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1) + b"}",
    b'{"a": ' + b"[" * 100_000,
    b"\xef\xbb\xbf{}",
]


@pytest.mark.parametrize("body", REFUSED)
def test_ambiguous_or_broken_json_is_a_clear_refusal(body):
    with pytest.raises(InvalidPayload) as refused:
        read_object(body)

    assert refused.value.message


@given(body=st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body):
    try:
        assert isinstance(read_object(body), dict)
    except InvalidPayload as refused:
        assert refused.status == 400  # noqa: PT017 - either outcome is right, nothing else is


def test_brackets_inside_text_do_not_count():
    assert read_object('{"a": "' + "[" * 50 + '\\"]"}') == {"a": "[" * 50 + '"]'}


def test_a_field_that_is_given_twice_is_named():
    with pytest.raises(InvalidPayload) as refused:
        read_object('{"a": 1, "b": {"c": 1, "d": 2, "c": 3}}')

    assert refused.value.detail["field"] == "c"
