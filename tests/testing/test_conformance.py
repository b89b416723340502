"""Every kind of source passes the conformance suite, and the suite notices each thing that a kind may do wrong."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.restic import PASSWORD, Repository

from drbook.core.capabilities import table
from drbook.core.errors import StepFailed
from drbook.core.points import Observed, PointFacts
from drbook.providers.kinds import SOURCES
from drbook.providers.sources.base import OpenableSource, Opening
from drbook.providers.sources.directory import DirectorySource
from drbook.providers.sources.restic import ResticSource
from drbook.providers.sources.s3 import S3Source
from drbook.testing import SOURCE_CHECKS, SourceBed

README = Path(__file__).parents[2] / "README.md"
FIRST = b"PGDMP\x01\x10" + bytes(range(256)) * 40
SECOND = b"PGDMP\x01\x10" + bytes(range(256)) * 50
FILES: Mapping[str, bytes] = {
    "old-2026-01-02T03-04-05Z.dump": FIRST,
    "new-2026-01-03T03-04-05Z.dump": SECOND,
}


def example() -> Mapping[str, Any]:
    """The names that README's example of a plug-in defines."""
    text = README.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# drawer\.py.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"__name__": "drawer"}
    exec(compile(code, "drawer.py", "exec"), names)
    return names


def files_under(root: Path) -> object:
    return sorted(
        (str(one.relative_to(root)), one.stat().st_mtime_ns, one.read_bytes())
        for one in root.rglob("*")
        if one.is_file()
    )


def directory_bed(tmp_path: Path) -> SourceBed:
    root = tmp_path / "backups"
    root.mkdir()
    for name, data in FILES.items():
        (root / name).write_bytes(data)
    return SourceBed(
        config=DirectorySource(id="disk", path=str(root)),
        absent=DirectorySource(id="disk", path=str(tmp_path / "no")),
        copies={name: {"": data} for name, data in FILES.items()},
        picture=lambda: files_under(root),
        environment={},
    )


def s3_bed(s3_server: Any) -> SourceBed:
    bucket, client = s3_server.bucket(versioned=True), s3_server.client()
    for name, data in FILES.items():
        client.put_object(Bucket=bucket, Key=name, Body=data)

    def place(name: str) -> S3Source:
        return S3Source(
            id="offsite", bucket=name, endpoint=s3_server.endpoint, region="us-east-1",
            access_key="env:KEY", secret_key="env:SECRET",
        )  # fmt: skip

    def picture() -> object:
        listed = client.list_object_versions(Bucket=bucket)
        return [(one["Key"], one["VersionId"], one["ETag"]) for one in listed["Versions"]]

    return SourceBed(
        config=place(bucket),
        absent=place(f"{bucket}-no"),
        copies={name: {"": data} for name, data in FILES.items()},
        picture=picture,
        environment={"KEY": "admin", "SECRET": "admin-secret"},
        unanswered=frozenset({"account"}),  # this server has no STS
    )


def restic_bed(tmp_path: Path) -> SourceBed:
    """Two snapshots of a folder that gained a dump; in restic a point is a file of a snapshot."""
    where, dumps = tmp_path / "repository", tmp_path / "dumps"
    dumps.mkdir()
    made = Repository(where)
    copies = {}
    for name, data in FILES.items():
        (dumps / name).write_bytes(data)
        made.run("backup", "--host", "db", str(dumps / name))
        copies[str(dumps / name)] = {"": data}
    fields = {"kind": "restic", "id": "vault", "password": "env:WORD"}
    return SourceBed(
        config=ResticSource.model_validate(fields | {"repository": str(where)}),
        absent=ResticSource.model_validate(fields | {"repository": str(tmp_path / "no")}),
        copies=copies,
        picture=lambda: files_under(where),
        environment={"WORD": PASSWORD},
    )


def drawer_bed(tmp_path: Path) -> SourceBed:
    """README's example, over a folder."""
    drawer = example()["DrawerSource"]
    bed = directory_bed(tmp_path)
    where = bed.config.path  # type: ignore[attr-defined]
    return replace(
        bed,
        config=drawer(id="mine", folder=where),
        absent=drawer(id="mine", folder=where + "-no"),
    )


RESTIC = pytest.param(
    "restic", marks=pytest.mark.skipif(shutil.which("restic") is None, reason="restic is missing")
)


@pytest.fixture(params=["directory", "s3", RESTIC, "drawer"])
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> SourceBed:
    if request.param == "restic":
        return restic_bed(tmp_path)
    if request.param == "s3":
        return s3_bed(request.getfixturevalue("s3_server"))
    return drawer_bed(tmp_path) if request.param == "drawer" else directory_bed(tmp_path)


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
def test_every_kind_conforms(check: Callable[[SourceBed], None], bed: SourceBed) -> None:
    check(bed)


# --- the suite itself --------------------------------------------------------------------------------


@dataclass
class Wrong:
    """A source that does one thing otherwise than the good one behind it."""

    good: Any
    other: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.good, name)
        return (lambda *given: self.other[name](found, *given)) if name in self.other else found


def listed(change: Callable[[list[Any]], list[Any]]) -> Callable[..., Any]:
    def points(found: Callable[[], Any]) -> Iterator[Any]:
        points = yield from found()
        return change(list(points))

    return points


def copied(found: list[Any], **update: object) -> list[Any]:
    return [found[0].model_copy(update=update), *found[1:]]


class Blobs:
    """Bytes that are not those of the copy."""

    def __init__(self, blob: Any, change: Callable[[bytes, int], bytes]) -> None:
        self._blob, self._change = blob, change
        self.size, self.identity, self.seen, self.sha256 = blob.size, "", blob.seen, None

    def read(self, offset: int) -> Any:
        blob, change = self._blob, self._change

        class Reading:
            def __enter__(self) -> Iterator[bytes]:
                with blob.read(0) as chunks:
                    return iter([change(b"".join(chunks), offset)])

            def __exit__(self, *_: object) -> None: ...

        return Reading()


def handed(change: Callable[[bytes, int], bytes]) -> Callable[..., Any]:
    return lambda found, point: [(name, Blobs(blob, change)) for name, blob in found(point)]


SURVEYED = {"account": Observed(value="shop"), "versioned": Observed(why="not asked")}
WRONG: dict[str, dict[str, Callable[..., Any]]] = {
    "every_copy_is_listed_once": {"points": listed(lambda found: found[:1])},
    "the_newest_comes_first": {"points": listed(lambda found: found[::-1])},
    "it_is_said_when_a_copy_was_taken_and_by_whose_clock": {
        "points": listed(lambda found: copied(found, taken_by="store"))
    },
    "a_copy_says_where_it_is_and_whose": {
        "points": listed(lambda found: copied(found, location="x\u202ey"))
    },
    "the_very_bytes_are_handed_out": {"files": handed(lambda data, at: data[at:-1])},
    "reading_goes_on_from_any_offset": {"files": handed(lambda data, at: data)},
    "two_lists_of_an_unchanged_place_are_the_same": {
        "points": listed(
            lambda found: copied(found, taken_at=found[0].taken_at + timedelta(seconds=next(TICKS)))
        )
    },
    "facts_are_those_of_the_copy_that_was_asked_for": {
        "facts": lambda found, point: PointFacts(
            point=point.model_copy(update={"id": "other"}), still_there=True
        )
    },
    "a_copy_that_is_gone_is_said_to_be": {
        "facts": lambda found, point: PointFacts(point=point, still_there=True)
    },
    "what_is_not_known_has_a_reason": {
        "survey": lambda found: found().model_copy(update={"account": SURVEYED["account"]})
    },
    "what_is_claimed_to_be_observed_is": {
        "survey": lambda found: found().model_copy(update={"versioned": SURVEYED["versioned"]})
    },
    "a_place_that_is_not_there_is_no_empty_one": {
        "survey": lambda found: found().model_copy(update={"reachable": True})
    },
    "a_cancel_ends_the_list": {"points": lambda found: iter(())},
}
"""For each check something that a kind may do wrong, and that it has to notice."""
TICKS = iter(range(1, 1000))


@pytest.mark.parametrize("name", [check.__name__ for check in SOURCE_CHECKS])
def test_each_check_notices_what_it_is_there_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = next(one for one in SOURCE_CHECKS if one.__name__ == name)
    good = directory_bed(tmp_path)
    check(good)
    opened = DirectorySource.open

    def wrongly(config: OpenableSource, opening: Opening) -> Any:
        if name == "nothing_is_changed_and_closing_twice_is_nothing":
            (tmp_path / "backups" / "trace").write_bytes(b"was here")
        return Wrong(opened(config, opening), WRONG.get(name, {}))  # type: ignore[arg-type]

    monkeypatch.setattr(DirectorySource, "open", wrongly)
    with pytest.raises((AssertionError, StepFailed)):
        check(good)


def test_every_check_has_something_to_notice() -> None:
    left = {check.__name__ for check in SOURCE_CHECKS} - WRONG.keys()
    assert left == {"nothing_is_changed_and_closing_twice_is_nothing"}


# --- the table in README -----------------------------------------------------------------------------


def test_the_table_in_readme_is_what_the_kinds_claim() -> None:
    claims = {kind: source.can for kind, source in SOURCES().items()}  # type: ignore[attr-defined]
    assert table(claims) in README.read_text(encoding="utf-8")
