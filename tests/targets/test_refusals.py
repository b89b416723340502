"""The list of refusals: the README's table, complete in the code, and nothing that gets past it."""

import ast
import re
from pathlib import Path

import click
import pytest

import drbook
from drbook.app.vocabulary import vocabulary
from drbook.cli.main import cli
from drbook.core.refusals import AGAIN, CLUSTER, REFUSALS, refused
from drbook.language.schema import schema

PACKAGE = Path(drbook.__file__).parent
README = Path(__file__).parents[2] / "README.md"
JUDGES = [PACKAGE / "core" / "freshness.py", PACKAGE / "core" / "freshfolder.py"]
ROOM = [
    *sorted((PACKAGE / "providers" / "targets").glob("*.py")),
    PACKAGE / "providers" / "pgserver.py",
    *JUDGES,
]


SHORT = {AGAIN: "`r`: another attempt, another name", CLUSTER: "`target: {kind: cluster}`"}


def table() -> str:
    """The list as the README shows it."""
    lines = ["| code | refused, because | what is compared | instead |", "|---|---|---|---|"]
    for code, rule in REFUSALS.items():
        instead = rule.instead
        for long, short in SHORT.items():
            instead = instead.replace(long, short)
        lines.append(f"| `{code}` | {rule.when} | {rule.compared} | {instead.rstrip('.')} |")
    return "\n".join(lines)


def test_the_readme_holds_the_table() -> None:
    assert table() in README.read_text(encoding="utf-8"), f"put this into README.md:\n{table()}"


def calls(path: Path, name: str) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) == name
    ]


def test_every_refusal_of_a_target_is_on_the_list_and_every_entry_is_used() -> None:
    used = set()
    for path in ROOM:
        assert calls(path, "Refused") == [], f"{path} refuses past the list"
        for call in calls(path, "refused"):
            code = call.args[0]
            assert isinstance(code, ast.Constant), ast.unparse(call)
            used.add(code.value)
    assert used == set(REFUSALS)


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_says_what_was_compared_and_what_makes_a_fresh_one(code: str) -> None:
    error = refused(code, "It is not.", compared="this with that")
    assert (error.code, error.exit_code) == (code, 4)
    assert "this with that" in error.explain()
    assert re.search(r"another target|fresh cluster|run the step again|DRBOOK_HOME", error.next)


def test_the_key_that_is_offered_is_the_one_that_runs_a_step_again() -> None:
    from drbook.tui.incident import IncidentScreen

    keys = {
        binding.key for binding in IncidentScreen.BINDINGS if "again" in binding.description.lower()
    }  # type: ignore[union-attr]
    assert keys == {"r"}
    assert "`r`" in AGAIN


FORCE = re.compile(
    r"force|overrid|unsafe|bypass|ignore_(?:refus|proof)|skip_(?:check|proof)|allow_prod|"
    r"no_(?:check|verify|proof)|sure|trust|overwrite|reuse|wipe|clean",
    re.IGNORECASE,
)


def test_no_option_gets_past_a_refusal() -> None:
    found = []

    def walk(command: click.Command, path: str) -> None:
        for one in command.params:
            found.append(f"{path} {one.name}")
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                sub = command.get_command(context, name)
                assert sub is not None
                walk(sub, f"{path} {name}")

    walk(cli, "drbook")
    assert len(found) > 15
    # One says what vouches for a record from a mirror; the other command judges no target to restore into: it
    # removes what a drill left, by proof alone.
    found = [name for name in found if FORCE.search(name)]
    assert [one for one in found if not one.startswith("drbook drill clean ")] == [
        "drbook resume trust_mirror"
    ]
    assert not any(FORCE.search(one.rsplit(" ", 1)[1]) for one in found if " clean " in one)


def test_no_runbook_key_gets_past_a_refusal() -> None:
    keys: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            keys.update(node.get("properties") or {})
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema(vocabulary()))
    assert "ignore_schemas" in keys  # counted as empty; it never makes a server another one
    assert sorted(key for key in keys if FORCE.search(key)) == []


def test_no_variable_is_read_where_a_target_is_judged() -> None:
    """The decisions see data alone; their edges hand the environment on to libpq and to nobody else."""
    for path in ROOM:
        text = path.read_text(encoding="utf-8")
        assert "environ[" not in text, path
        assert "getenv" not in text, path
        assert calls(path, "get") == [] or "environment.get" not in text, path
    imported = {
        name
        for path in JUDGES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    assert imported == {
        "collections.abc", "dataclasses", "pathlib", "typing", "drbook.core.baseline",
        "drbook.core.freshness", "drbook.core.ports",
        "drbook.core.refusals", "drbook.core.targets", "drbook.core.values",
    }  # fmt: skip


def test_every_variable_that_is_read_at_all() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        found |= set(re.findall(r"\bDRBOOK_[A-Z_]+", path.read_text(encoding="utf-8")))
    assert not [name for name in found if FORCE.search(name)], found
