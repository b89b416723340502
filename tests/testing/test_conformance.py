"""Every kind of source passes the conformance suite, and the suite notices each thing that a kind may do wrong."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from support.aws import ENVIRONMENT, a_shop, entry, moto, operator
from support.barman import a_business
from support.pgbackrest import Business, needs_pgbackrest, picture
from support.pgbackrest import source as pgbackrest_source
from support.physical import archiving
from support.restic import PASSWORD, Repository
from support.standby import Pair, pair, rows_of, until, value
from support.walg import ENVIRONMENT as WALG_ENVIRONMENT
from support.walg import World, program

from drbook.core.capabilities import Capabilities, table
from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact, Observed, PointFacts, RecoveryPoint
from drbook.core.signals import Working
from drbook.core.standby import PAUSE, Replay
from drbook.providers.kinds import SOURCES
from drbook.providers.pgserver import PORT
from drbook.providers.pgtools import find_tools
from drbook.providers.sources.aws import AwsSnapshots, EbsSource, RdsSource
from drbook.providers.sources.base import OpenableSource, Opening, Place, Spoilt, WalArchive
from drbook.providers.sources.basebackup import BaseBackupSource
from drbook.providers.sources.borg import BorgSource
from drbook.providers.sources.directory import DirectorySource
from drbook.providers.sources.rclone import RcloneSource
from drbook.providers.sources.restic import ResticSource
from drbook.providers.sources.s3 import S3Source
from drbook.providers.sources.standby import StandbySource
from drbook.testing import SOURCE_CHECKS, SourceBed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
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
        unanswered=frozenset({"account", "region"}),  # this server has no STS, and names no region
    )


@cache
def restic_bed(folder: Path) -> SourceBed:
    """Two snapshots of a folder that gained a dump; in restic a point is a file of a snapshot. Every check
    leaves it as it was."""
    tmp_path = folder / "restic"
    where, dumps = tmp_path / "repository", tmp_path / "dumps"
    dumps.mkdir(parents=True)
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


@cache
def borg_bed(tmp_path: Path) -> SourceBed:
    """Two archives of a folder that gained a dump; in Borg a point is a file of an archive. Making them
    takes long, and what every check leaves as it was serves the next one too."""
    where, dumps = tmp_path / "repository", tmp_path / "dumps"
    dumps.mkdir()
    around = {
        "BORG_PASSPHRASE": "a word for a test", "BORG_REPO": str(where),
        "BORG_BASE_DIR": str(tmp_path / "base"), "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    subprocess.run(["borg", "init", "-e", "repokey"], env=around, check=True, capture_output=True)
    for number, (name, data) in enumerate(FILES.items()):
        (dumps / name).write_bytes(data)
        command = ["borg", "create", f"::nightly-{number}", name]
        subprocess.run(command, env=around, check=True, cwd=dumps)
    fields = {"kind": "borg", "id": "vault", "passphrase": "env:WORD"}
    return SourceBed(
        config=BorgSource.model_validate(fields | {"repository": str(where)}),
        absent=BorgSource.model_validate(fields | {"repository": str(tmp_path / "no")}),
        copies={name: {"": data} for name, data in FILES.items()},
        picture=lambda: files_under(where),
        environment={"WORD": around["BORG_PASSPHRASE"]},
    )


def rclone_bed(tmp_path: Path) -> SourceBed:
    """A folder behind an alias in a config."""
    bed = directory_bed(tmp_path)
    remotes = tmp_path / "rclone.conf"
    remotes.write_text(f"[shop]\ntype = alias\nremote = {tmp_path / 'backups'}\n")
    return replace(
        bed,
        config=RcloneSource(id="cold", remote="shop:", config=str(remotes)),
        absent=RcloneSource(id="cold", remote="shop:no", config=str(remotes)),
        picture=lambda: files_under(tmp_path),
    )


def pgbackrest_bed(business: Business) -> SourceBed:
    return SourceBed(
        config=pgbackrest_source(business),
        absent=pgbackrest_source(business, repository=str(business.root / "no")),
        copies={one: {} for one in (business.full, business.differential, business.incremental)},
        picture=lambda: picture(business.plain),
        environment={},
    )


@cache
def basebackup_bed(folder: Path) -> SourceBed:
    """Two base backups of one server, and the WAL that it archived."""
    folder /= "archiving"
    folder.mkdir()
    (folder / "base").mkdir()
    tools = next(one for one in find_tools() if one.origin == "extra")
    server = archiving(tools, folder)
    try:
        for name in ("first", "second"):
            server.base_backup(folder / "base" / name)
            at = 1_795_000_000 + len(name)
            os.utime(folder / "base" / name / "backup_manifest", (at, at))
        server.archived()
    finally:
        server.server.stop()
    where = {"wal": str(folder / "wal")}
    return SourceBed(
        config=BaseBackupSource(id="base", path=str(folder / "base"), **where),
        absent=BaseBackupSource(id="base", path=str(folder / "no"), **where),
        copies={"first": {}, "second": {}},
        picture=lambda: files_under(folder / "base"),
        environment={},
    )


@cache
def barman_bed(folder: Path) -> SourceBed:
    """Two backups that Barman finished; its locks and its log are not of its catalogue."""
    tools = next(one for one in find_tools() if one.origin == "extra")
    folder /= "barman"
    folder.mkdir()
    world = a_business(tools, folder)
    return SourceBed(
        config=world.home.source(),
        absent=world.home.source(server="no"),
        copies={world.first: {}, world.second: {}},
        picture=lambda: files_under(world.home.main / "base"),
        environment={},
    )


def walg_bed(world: World, absent: Path) -> SourceBed:
    """A full backup and a delta, read by a stand-in: no real WAL-G is to be had here."""
    return SourceBed(
        config=world.store.source(),
        absent=world.store.source(settings={"WALG_FILE_PREFIX": str(absent)}),
        copies={world.full: {}, world.delta: {}},
        picture=lambda: files_under(world.store.root),
        environment=WALG_ENVIRONMENT,
    )


@cache
def standby_bed(folder: Path) -> SourceBed:
    """A standby whose replay is paused; it is left running for the other checks."""
    folder /= "standby"
    folder.mkdir()
    tools = next(one for one in find_tools() if one.origin == "extra")
    made = pair(tools, folder)
    PAIRS.append(made)
    late = made.standby("late", "1h")
    rows_of(late, PAUSE)
    until(lambda: value(late, "SELECT pg_get_wal_replay_pause_state()") == "paused")

    def config(port: int) -> StandbySource:
        database = made.ref(late, "watcher").model_copy(update={"port": port})
        return StandbySource(id="late", database=database)

    def picture() -> object:
        return rows_of(
            late,
            "SELECT pg_is_in_recovery(), pg_get_wal_replay_pause_state(), pg_last_wal_replay_lsn()::text,"
            " (SELECT count(*) FROM bookings)",
        )

    return SourceBed(
        config=config(PORT),
        absent=config(9),
        copies={"as-replayed": {}},
        picture=picture,
        environment={},
        one=True,
    )


PAIRS: list[Pair] = []


@cache
def aws_bed(endpoint: str, volume: str, kind: str) -> SourceBed:
    """Two snapshots of a volume and of an instance, in moto; what it does not have is left out aloud."""
    ec2, rds = operator(endpoint, "ec2"), operator(endpoint, "rds")

    def of_volume() -> list[Any]:
        mine = [{"Name": "volume-id", "Values": [volume]}]
        return list(ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"])

    def of_instance() -> list[Any]:
        listed = rds.describe_db_snapshots(DBInstanceIdentifier="shop")
        return list(listed["DBSnapshots"])

    model: type[AwsSnapshots]
    if kind == "rds":
        model, name, fields, picture = (
            RdsSource,
            "DBSnapshotArn",
            {"instances": ["shop"]},
            of_instance,
        )
    else:
        for _ in range(2):
            ec2.create_snapshot(VolumeId=volume)
            time.sleep(1)
        model, name, fields, picture = EbsSource, "SnapshotId", {"volumes": [volume]}, of_volume
    return SourceBed(
        config=model.model_validate(entry(endpoint, **fields)),
        absent=model.model_validate(entry("http://127.0.0.1:9", **fields)),
        copies={one[name]: {} for one in picture()},
        picture=lambda: sorted(str(one) for one in picture()),
        environment=ENVIRONMENT,
    )


class DeskSource(OpenableSource):
    """Files of a folder as snapshots that somebody else restores: the least that such a kind can be."""

    can: ClassVar[Capabilities] = DirectorySource.can
    kind: Literal["desk"] = "desk"
    format: Literal["snapshot"] = "snapshot"
    path: str

    def open(self, opening: Opening) -> Any:
        return Desk(DirectorySource(id=self.id, path=self.path).open(opening))


class Desk:
    """Lists what a directory source lists, as snapshots."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def points(self) -> Working[Any]:
        found = yield from self.behind.points()
        update = {"format": "snapshot", "restored_by": "ask at the desk"}
        return [one.model_copy(update=update) for one in found]

    def facts(self, point: RecoveryPoint) -> PointFacts:
        found = self.behind.facts(point).model_copy(update={"bytes": ByteFact(state="unknown")})
        return found.model_copy(update={"point": point})

    def files(self, point: RecoveryPoint) -> Any:
        raise StepFailed("The desk restores it.", code="snapshot")


def desk_bed(tmp_path: Path) -> SourceBed:
    bed = directory_bed(tmp_path)
    where = bed.config.path  # type: ignore[attr-defined]
    return replace(
        bed,
        config=DeskSource(id="desk", path=where),
        absent=DeskSource(id="desk", path=where + "-no"),
        copies={name: {} for name in bed.copies},
    )


class ShelfSource(OpenableSource):
    """Data directories that lie in a folder as they are: the least that a physical kind can be."""

    can: ClassVar[Capabilities] = DirectorySource.can
    kind: Literal["shelf"] = "shelf"
    format: Literal["physical"] = "physical"
    path: str

    def open(self, opening: Opening) -> Any:
        return Shelf(DirectorySource(id=self.id, path=self.path).open(opening))


class Shelf:
    """Lists what a directory source lists, as physical copies."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def points(self) -> Working[Any]:
        found = yield from self.behind.points()
        return [one.model_copy(update={"format": "physical"}) for one in found]

    def files(self, point: RecoveryPoint) -> Any:
        raise StepFailed("It is a data directory.", code="physical")

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        yield from ()
        there = Path(self.behind._config.path, point.id).is_file()
        return ByteFact(state="intact" if there else "unknown")

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        yield from ()
        (place.data / "PG_VERSION").write_text("15")
        (place.data / "global").mkdir()
        return None

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        return None


def shelf_bed(tmp_path: Path) -> SourceBed:
    bed = directory_bed(tmp_path)
    where = bed.config.path  # type: ignore[attr-defined]
    return replace(
        bed,
        config=ShelfSource(id="shelf", path=where),
        absent=ShelfSource(id="shelf", path=where + "-no"),
        copies={name: {} for name in bed.copies},
    )


class LateSource(OpenableSource):
    """The newest file of a folder as what a standby shows: the least that such a kind can be."""

    can: ClassVar[Capabilities] = DirectorySource.can
    kind: Literal["late"] = "late"
    path: str

    def open(self, opening: Opening) -> Any:
        return Late(DirectorySource(id=self.id, path=self.path).open(opening))


class Late:
    """Lists one copy of what a directory source lists, and copies it as if it were dumped."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def points(self) -> Working[Any]:
        found = yield from self.behind.points()
        return [found[0].model_copy(update={"standby": True})]

    def facts(self, point: RecoveryPoint) -> PointFacts:
        return self.behind.facts(point).model_copy(update={"replay": STANDS})

    def files(self, point: RecoveryPoint) -> Any:
        raise StepFailed("It is a server.", code="standby")

    def dump(self, point: RecoveryPoint, into: Path) -> Working[None]:
        if [point] != (yield from self.points()):
            raise Spoilt(ByteFact(state="unknown"))
        into.write_bytes(FIRST)


STANDS = Replay(
    replayed="0/1", moment=NOON, asked_at=NOON, pause="paused", delay_ms=0, server_version=180000
)


def late_bed(tmp_path: Path) -> SourceBed:
    bed = directory_bed(tmp_path)
    where = bed.config.path  # type: ignore[attr-defined]
    return replace(
        bed,
        config=LateSource(id="late", path=where),
        absent=LateSource(id="late", path=where + "-no"),
        copies={"new-2026-01-03T03-04-05Z.dump": {}},
        one=True,
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


def together(kind: str, world: str, *marks: pytest.MarkDecorator) -> Any:
    """A kind whose world is made once: all that ask for it run in one worker."""
    return pytest.param(kind, marks=[*marks, pytest.mark.xdist_group(world)])


def installed(program: str) -> pytest.MarkDecorator:
    missing = shutil.which(program) is None
    return pytest.mark.skipif(missing, reason=f"{program} is missing")


@pytest.fixture(scope="module")
def module_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("beds")


@pytest.fixture(scope="module")
def servers_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as folder:
        yield Path(folder)
        while PAIRS:
            PAIRS.pop().stop()


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[str, str]]:
    with moto() as endpoint:
        yield endpoint, a_shop(endpoint)


@pytest.fixture(
    params=[
        "directory", "s3", together("restic", "restic-bed", installed("restic")),
        together("borg", "borg-bed", installed("borg")), "rclone",
        together("pgbackrest", "pgbackrest", needs_pgbackrest), together("basebackup", "base-bed"),
        together("barman", "barman-bed"), together("wal-g", "wal-g"),
        together("standby", "standby-bed"), "drawer", "shelf", "desk", "late",
        together("rds", "aws-bed"), together("ebs", "aws-bed"),
    ]
)  # fmt: skip
def bed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SourceBed:
    if request.param == "wal-g":
        standin = program(tmp_path / "bin")
        monkeypatch.setenv("PATH", f"{standin}{os.pathsep}{os.environ['PATH']}")
        return walg_bed(request.getfixturevalue("walg_world"), tmp_path / "no")
    if request.param == "pgbackrest":
        return pgbackrest_bed(request.getfixturevalue("business"))
    if request.param == "basebackup":
        return basebackup_bed(request.getfixturevalue("module_path"))
    if request.param == "standby":
        return standby_bed(request.getfixturevalue("servers_path"))
    if request.param == "barman":
        return barman_bed(request.getfixturevalue("module_path"))
    if request.param in ("rds", "ebs"):
        return aws_bed(*request.getfixturevalue("aws"), request.param)
    if request.param == "late":
        return late_bed(tmp_path)
    if request.param == "desk":
        return desk_bed(tmp_path)
    if request.param == "shelf":
        return shelf_bed(tmp_path)
    if request.param == "restic":
        return restic_bed(request.getfixturevalue("module_path"))
    if request.param == "borg":
        return borg_bed(request.getfixturevalue("module_path"))
    if request.param == "s3":
        return s3_bed(request.getfixturevalue("s3_server"))
    if request.param == "rclone":
        return rclone_bed(tmp_path)
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


def said(answer: Any) -> Iterator[Any]:
    yield from ()
    return answer


def beside(found: Callable[..., Any], point: RecoveryPoint, place: Place) -> Iterator[Any]:
    """Laid down, and one file more where nothing belongs to it."""
    archive = yield from found(point, place)
    (place.data.parent / "pgbackrest.log").write_text("was here")
    return archive


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
    "a_physical_copy_has_no_files_to_fetch": {"files": lambda found, point: []},
    "a_standby_is_dumped_where_it_was_listed": {
        "dump": lambda found, point, into: said(into.write_bytes(FIRST))
    },
    "a_snapshot_says_who_restores_it": {
        "points": listed(lambda found: copied(found, restored_by=""))
    },
    "a_good_physical_copy_is_found_good": {
        "check": lambda found, point: said(ByteFact(state="damaged", reason="it looks so"))
    },
    "a_physical_copy_is_laid_down_in_its_place_only": {
        "lay_down": lambda found, *given: beside(found, *given)
    },
}
"""For each check something that a kind may do wrong, and that it has to notice."""
TICKS = iter(range(1, 1000))


@pytest.mark.parametrize("name", [check.__name__ for check in SOURCE_CHECKS])
def test_each_check_notices_what_it_is_there_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = next(one for one in SOURCE_CHECKS if one.__name__ == name)
    physical = "_physical_copy_" in name
    snapshot = "_snapshot_" in name
    server = "_standby_" in name
    bed = shelf_bed if physical else desk_bed if snapshot else late_bed if server else directory_bed
    good = bed(tmp_path)
    check(good)
    kind = type(good.config)
    opened = kind.open

    def wrongly(config: OpenableSource, opening: Opening) -> Any:
        if name == "nothing_is_changed_and_closing_twice_is_nothing":
            (tmp_path / "backups" / "trace").write_bytes(b"was here")
        return Wrong(opened(config, opening), WRONG.get(name, {}))  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "open", wrongly)
    with pytest.raises((AssertionError, StepFailed)):
        check(good)


@pytest.mark.parametrize(
    "update",
    [
        {"check": lambda found, point: said(ByteFact(state="intact"))},
        {"check": lambda found, point: said(ByteFact(state="unread"))},
        {"lay_down": lambda found, point, place: said(None)},
    ],
    ids=["good whatever it is asked", "nothing read", "nothing laid down"],
)
def test_a_physical_kind_that_does_less_than_it_says_is_noticed(
    update: dict[str, Callable[..., Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, bed = ShelfSource.open, shelf_bed(tmp_path)
    monkeypatch.setattr(
        ShelfSource, "open", lambda config, given: Wrong(opened(config, given), update)
    )
    checks = [check for check in SOURCE_CHECKS if "_physical_copy_" in check.__name__]
    with pytest.raises(AssertionError):
        [check(bed) for check in checks]


def test_every_check_has_something_to_notice() -> None:
    left = {check.__name__ for check in SOURCE_CHECKS} - WRONG.keys()
    assert left == {"nothing_is_changed_and_closing_twice_is_nothing"}


# --- the table in README -----------------------------------------------------------------------------


def test_the_table_in_readme_is_what_the_kinds_claim() -> None:
    claims = {kind: source.can for kind, source in SOURCES().items()}  # type: ignore[attr-defined]
    assert table(claims) in README.read_text(encoding="utf-8")
