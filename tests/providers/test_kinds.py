"""The tables of kinds, what is plugged into them, and what importing them costs."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from drbook.core.errors import UsageError
from drbook.providers import kinds
from drbook.providers.sources.base import OpenableSource
from drbook.providers.sources.s3 import S3Source


class Tape(OpenableSource):
    kind: Literal["tape"] = "tape"


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Any:
    def plug(name: str, found: object) -> None:
        def load() -> object:
            if isinstance(found, Exception):
                raise found
            return found

        entry = SimpleNamespace(name=name, load=load, dist=SimpleNamespace(name="tapes"))
        monkeypatch.setattr(kinds, "entry_points", lambda group: [entry])
        kinds.SOURCES.cache_clear()

    yield plug
    monkeypatch.undo()
    kinds.SOURCES.cache_clear()


def test_built_in_kinds() -> None:
    assert {"s3", "directory"} <= set(kinds.SOURCES())
    assert {"s3", "directory"} <= set(kinds.BASELINE_STORES())


def test_a_plug_in_adds_a_kind(plugged: Any) -> None:
    plugged("tape", Tape)
    assert kinds.SOURCES()["tape"] is Tape


@pytest.mark.parametrize(
    ("name", "found"),
    [("s3", Tape), ("tape", int), ("tape", 5), ("tape", ImportError("no module"))],
)
def test_a_broken_plug_in_is_named(name: str, found: object, plugged: Any) -> None:
    plugged(name, found)
    with pytest.raises(UsageError, match="tapes") as caught:
        kinds.SOURCES()
    assert caught.value.code == "plug-in"


def test_no_client_library_is_loaded() -> None:
    code = "import sys, drbook.providers.kinds as k; k.SOURCES(); k.BASELINE_STORES(); "
    code += "print([m for m in ('boto3', 'botocore', 'httpx', 'psycopg') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "a/b"},
        {"bucket": "x"},
        {"endpoint": "ftp://x"},
        {"endpoint": "https://user:pw@x"},
        {"endpoint": "x"},
        {"access_key": "env:A"},
        {"secret_key": "env:A"},
        {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "env:S"},
        {"session_token": "env:T"},
        {"profile": "p", "access_key": "env:A", "secret_key": "env:S"},
        {"expected_owner": "acme"},
        {"unknown": 1},
    ],
)
def test_wrong_places_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        S3Source.model_validate({"id": "offsite", "bucket": "some-bucket"} | change)
