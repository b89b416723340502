"""The tables of kinds, what is plugged into them, and what importing them costs."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from drbook.actions.restore import Restore
from drbook.core.baseline import Identity
from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import ResourceIntended, Working
from drbook.core.targets import DatabaseRef, Target, TargetLook, TargetSpec
from drbook.providers import kinds
from drbook.providers.cancel import CancelToken
from drbook.providers.sources.base import OpenableSource
from drbook.providers.sources.s3 import S3Source
from drbook.providers.targets.base import OpenableTarget, TargetMaker, Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.pool import ServerPool


class Tape(OpenableSource):
    kind: Literal["tape"] = "tape"


class Drum(OpenableTarget):
    """A kind of fresh place that somebody else offers."""

    kind: Literal["drum"] = "drum"
    tracks: int

    def maker(self, workshop: Workshop) -> TargetMaker:
        return DrumMaker(self.tracks)


class DrumMaker:
    def __init__(self, tracks: int) -> None:
        self.tracks = tracks

    def create(
        self, name: str, nonce: str, production: Sequence[ProductionIdentity]
    ) -> Working[Target]:
        yield ResourceIntended("drum", name, nonce, "the cellar")
        raise StepFailed(f"{self.tracks} tracks are not enough.", code="drum")

    def look(self, name: str) -> TargetLook:
        return TargetLook(name=name, state="unknown", reason="It is dark there.")


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Any:
    def plug(name: str, found: object) -> None:
        def load() -> object:
            if isinstance(found, Exception):
                raise found
            return found

        entry = SimpleNamespace(name=name, load=load, dist=SimpleNamespace(name="tapes"))
        monkeypatch.setattr(kinds, "entry_points", lambda group: [entry])
        clear()

    def clear() -> None:
        kinds.SOURCES.cache_clear()
        kinds.TARGETS.cache_clear()

    yield plug
    monkeypatch.undo()
    clear()


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


def test_a_plugged_in_target_is_offered_to_runbooks_and_made_by_its_own_maker(
    plugged: Any, tmp_path: Path
) -> None:
    plugged("drum", Drum)
    action = Restore(kinds.TARGETS())
    adapter = TypeAdapter(action.params.model_fields["target"].rebuild_annotation())
    spec = adapter.validate_python({"kind": "drum", "tracks": 3})
    assert spec == Drum(tracks=3)
    assert spec.into("restore-1") == "new drum restore-1"
    assert action.params.model_fields["target"].default.kind == "cluster"
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "drum", "dbname": "x"})

    shop = Workshop(tmp_path, {}, CancelToken(), ServerPool(), lambda: ())
    targets = FreshTargets(shop, kinds.TARGETS())
    work = targets.create(spec, "restore-1", [])
    first = next(work)
    assert isinstance(first, ResourceIntended)
    assert (first.kind, first.name, len(first.nonce)) == ("drum", "restore-1", 32)
    with pytest.raises(StepFailed, match="3 tracks"):
        next(work)
    assert targets.look(spec, "restore-1").state == "unknown"


def test_a_target_whose_kind_is_gone_cannot_be_looked_at(plugged: Any, tmp_path: Path) -> None:
    shop = Workshop(tmp_path, {}, CancelToken(), ServerPool(), lambda: ())
    target = Target(
        kind="drum", name="restore-1", nonce="n", location="the cellar", proof="", whole_server=True,
        connect=DatabaseRef(host="/nowhere"),
        identity=Identity(system_identifier="1", database="a", database_oid=1, server_version=180000),
    )  # fmt: skip
    with pytest.raises(CouldNotVerify, match="drum"):
        next(FreshTargets(shop, kinds.TARGETS()).count(target))
    unknown = TargetSpec(kind="drum")
    with pytest.raises(UsageError, match="of kind drum"):
        next(FreshTargets(shop, kinds.TARGETS()).create(unknown, "restore-1", []))
