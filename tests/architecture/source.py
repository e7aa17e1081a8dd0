"""The source of the house, read once, for the tests that look at its shape."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FLOORS = ("config", "partner", "submerchants", "payments", "admin_ui")


@dataclass(frozen=True)
class Room:
    """One Python file: its place in the tree, its text and its syntax."""

    place: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@cache
def rooms() -> tuple[Room, ...]:
    """Every file of the floors and the roof; migrations are scripts, written by a machine."""
    files = [ROOT / "wsgi.py", *(file for floor in FLOORS for file in _python_files(ROOT / floor))]
    return tuple(_read(file) for file in files if file.exists())


@cache
def rooms_of_tests() -> tuple[Room, ...]:
    return tuple(_read(file) for file in _python_files(ROOT / "tests"))


def _python_files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    return [file for file in found if "migrations" not in file.parts]


def _read(file: Path) -> Room:
    text = file.read_text(encoding="utf-8")
    return Room(str(file.relative_to(ROOT)), text, ast.parse(text))


@cache
def committed_files() -> tuple[Path, ...]:
    """What a clone holds, and what is about to be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = (ROOT / name for name in sorted(set(listed.split("\0"))) if name)
    return tuple(file for file in files if file.is_file())


@cache
def import_every_room() -> None:
    """Import all modules of all floors, so that every class there is known."""
    for floor in FLOORS:
        package = importlib.import_module(floor)
        for module in pkgutil.walk_packages(package.__path__, f"{floor}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names, or an empty text for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
