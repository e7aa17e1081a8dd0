"""A password at the terminal: asked for twice and not shown, or read from standard input."""

from __future__ import annotations

import sys

import click

from config.passwords import MAX_LENGTH
from config.vault import Secret


def password_from_terminal() -> Secret:
    """The password, without the line end of a pipe and without anything else changed."""
    if sys.stdin.isatty():
        return Secret(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    # One line more than can be valid is read, so that a long one is refused and not cut.
    text = sys.stdin.readline(4 * MAX_LENGTH + 2)
    return Secret(text.removesuffix("\n").removesuffix("\r"))
