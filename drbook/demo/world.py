"""The disposable world: production, a store for its backups, and what every scenario's world needs to make more.

Everything lies in one private folder and is removed with it. All servers listen on a private socket
or on loopback, under a launcher that ends them with us. What was backed up, where to, and what goes wrong is
each scenario's own (`demo/worlds/`).
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, NamedTuple

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.rows import TupleRow

from drbook.app.shipped import folder as shipped_folder
from drbook.core.baseline import Baseline, Manifest, TableCounts
from drbook.core.errors import StepFailed
from drbook.core.signals import finish
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.demo.business import HISTORY, Business
from drbook.demo.objectstore import Identity, ObjectStore
from drbook.demo.worlds import DEFAULT, story
from drbook.providers.baselines import DirectoryBaselines
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.naming import MANIFEST
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools, choose, find_tools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.scratch import Scratch

Tell = Callable[[str], None]

DATABASE = "rental"
LOCK = timedelta(days=30)
SHORT = 49
"""Characters of a temporary folder's name below which a server's socket in it has a legal name."""


Happens = Callable[[datetime], None]
"""Something that happens in the business's life, at the moment that the world tells."""


class Bucket(NamedTuple):
    """A bucket of the store, and whose it is."""

    owner: str
    """The identity that may do everything in it."""
    name: str
    locks: bool = False
    """Whether it has Object Lock."""


class World(ABC):
    """A rental business in one folder. Each scenario derives its own; use `world(...)`, which cleans up."""

    file: ClassVar[str]
    """The shipped runbook that this world is led by."""
    opens: ClassVar[Sequence[tuple[str, str]]] = ()
    """How the runbook's references to keys of the store begin, and the identity behind each."""
    buckets: ClassVar[Sequence[Bucket]] = ()
    settings: Mapping[str, str] = {}
    """Of production's server, beyond the usual ones."""

    def __init__(self, folder: Path, rows: int, tell: Tell) -> None:
        self.folder = folder
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.tell = tell
        self.tools: PgTools = choose(find_tools(), server=True)[0]
        self.production = ClusterServer(self.tools, folder / "volume", name="rental-production")
        owners = {
            owner: Identity.owner([one.name for one in self.buckets if one.owner == owner])
            for owner in sorted({one.owner for one in self.buckets})
        }
        self.store = ObjectStore(folder / "object-store", owners)
        self.volume = self.production.folder
        self.address = ""
        """Where production answers, or did."""
        self._rows = rows
        self._cancel = CancelToken()

    # --- each scenario's own ------------------------------------------------------------------

    @abstractmethod
    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        """What happened how long ago, the oldest first; trade goes on in between, and until now."""

    @abstractmethod
    def disaster(self) -> datetime:
        """Let it happen. Returns when, as the operator will say."""

    def environment(self) -> dict[str, str]:
        """The secrets that the runbook refers to: `NAME_KEY_ID` and `NAME_SECRET` for each of `opens`."""
        found = {}
        for name, identity in self.opens:
            found[f"{name}_KEY_ID"], found[f"{name}_SECRET"] = self.store.keys(identity)
        return found

    @abstractmethod
    def places(self) -> Mapping[str, str]:
        """What the shipped runbook says, and what it is in this world."""

    def hand(self, step: str) -> None:  # noqa: B027 - in most there is nothing to be done
        """Do what the runbook asks a person to do at this step, where that is more than to say so."""

    # --- calm times ---------------------------------------------------------------------------

    def build(self) -> None:
        """Production with ninety days of trade, and every backup as it was taken on the way."""
        self.tell("Starting PostgreSQL and an S3 server for a rental business …")
        self._start_production()
        self.store.start()
        client = self.store.client()
        for one in self.buckets:
            client.create_bucket(Bucket=one.name, ObjectLockEnabledForBucket=one.locks)
        self.tell(f"Ninety days of trade: about {self._rows:,} rows, with backups on the way …")
        with self.connected() as connection:
            business = Business(connection, self._rows)
            moment = self.now - HISTORY
            business.found(moment)
            for ago, happens in self.course():
                business.trade(moment, self.now - ago)
                moment = self.now - ago
                happens(moment)
            if moment < self.now:
                business.trade(moment, self.now)

    def connected(self) -> psycopg.Connection[TupleRow]:
        """Production, as its own superuser; each statement is committed by itself."""
        return psycopg.connect(
            host=str(self.production.socket), user="postgres", dbname=DATABASE, autocommit=True
        )

    def _start_production(self) -> None:
        self.production.make_folder()
        finish(self.production.create())
        # A world that is thrown away need not survive a power cut.
        settings = {"fsync": "off", "synchronous_commit": "off", **self.settings}
        finish(self.production.start(settings))
        self.address = str(self.production.socket)
        with psycopg.connect(
            host=str(self.production.socket), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())

    # --- backups ------------------------------------------------------------------------------

    def dump(self, into: Path, options: Sequence[str] = ()) -> None:
        """A dump of production as it is."""
        self.do("pg_dump", "--format=custom", "--compress=1", f"--file={into}", *options)

    def do(self, program: str, *options: str | Path) -> None:
        """One of PostgreSQL's own programs on production. Raises StepFailed where it does not end well."""
        argv: list[str | Path] = [self.tools.path(program), f"--host={self.production.socket}"]
        argv += ["--username=postgres", f"--dbname=dbname={DATABASE}", *options]
        done = complete(argv, timeout=timedelta(minutes=30))
        if done.exit_code != 0:
            raise StepFailed(f"The demo's {program} failed: {plain(done.stderr[-300:], 300)}")

    @contextmanager
    def dumped(
        self, taken: datetime, options: Sequence[str] = ()
    ) -> Iterator[tuple[Path, Manifest]]:
        """A dump of production as it is, dated as the world tells its time, and the manifest for it."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="dump-") as scratch:
            dump = Path(scratch) / f"rental-{taken:%Y%m%dT%H%M%SZ}.dump"
            self.dump(dump, options)
            manifest = Manifest(
                name=dump.name,
                size=dump.stat().st_size,
                sha256=_sha256(dump),
                taken_at=taken,
                counts=self.count(taken),
            )
            yield dump, manifest

    def upload(
        self,
        bucket: Bucket,
        prefix: str,
        dump: Path,
        manifest: Manifest | None,
    ) -> None:
        """Put a dump into a bucket, with its manifest beside it where it has one; locked where the bucket locks."""
        client = self.store.client(bucket.owner)
        bodies = [(dump.name, dump.read_bytes())]
        if manifest is not None:
            bodies.append((dump.name + MANIFEST, manifest.model_dump_json().encode()))
        for name, body in bodies:
            if bucket.locks:
                client.put_object(
                    Bucket=bucket.name,
                    Key=prefix + name,
                    Body=body,
                    ObjectLockMode="COMPLIANCE",
                    ObjectLockRetainUntilDate=self.now + LOCK,
                )
            else:
                client.put_object(Bucket=bucket.name, Key=prefix + name, Body=body)

    def lay(self, folder: Path, dump: Path, manifest: Manifest | None, taken: datetime) -> Path:
        """Copy a dump into a folder, written when it was taken; returns the copy."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = folder / dump.name
        shutil.copyfile(dump, copy)
        os.utime(copy, (taken.timestamp(), taken.timestamp()))
        if manifest is not None:
            beside = copy.with_name(copy.name + MANIFEST)
            beside.write_text(manifest.model_dump_json(), encoding="utf-8")
        return copy

    def baseline(self, taken: datetime) -> None:
        """Known-good figures, in a folder away from production."""
        self.tell(f"  baseline captured, {ago(self.now - taken)}")
        folder = self.folder / "baselines"
        folder.mkdir(mode=0o700, exist_ok=True)
        store = DirectoryBaselines(path=str(folder)).open(Secret)
        counts = self.count(taken)
        store.save(Baseline(captured_at=taken, counts=counts, drbook_version="demo"))

    def count(self, taken: datetime) -> TableCounts:
        """Production's figures, dated as the world tells its time."""
        reader = PostgresReader(os.environ, self._cancel)
        counts = finish(reader.count(self.ref, content=True, structure="read"))
        return counts.model_copy(update={"taken_at": taken})

    @property
    def ref(self) -> DatabaseRef:
        return self.production.ref(DATABASE)

    # --- what the operator has ----------------------------------------------------------------

    def lose_volume(self) -> None:
        """Production's server stops, and its volume is gone with all that lay on it."""
        self.production.stop()
        shutil.rmtree(self.volume)

    def runbook(self) -> Path:
        """The shipped runbook with this world's addresses in it."""
        text = (shipped_folder() / self.file).read_text(encoding="utf-8")
        for shipped, here in self.places().items():
            if shipped not in text:
                raise AssertionError(f"{self.file} does not name {shipped}")
            # A value of its own in YAML, or a word of a command that somebody pastes.
            value, word = json.dumps(here), shlex.quote(here)
            alone = re.compile(rf"(?<=: ){re.escape(shipped)}(?=[,}}\n])")
            text = value.join(alone.split(text)).replace(shipped, word)
        path = self.folder / self.file
        path.write_text(text, encoding="utf-8")
        return path

    def close(self) -> None:
        """Stop every server of this world."""
        self.store.stop()
        self.production.stop()


@contextmanager
def world(rows: int, *, keep: bool, tell: Tell, kind: type[World] | None = None) -> Iterator[World]:
    """A built world before its disaster; removed with the block, whatever happens in it. Absent: the
    demo's own scenario."""
    base = tempfile.gettempdir()
    if len(base) > SHORT:
        base = "/tmp"
    scratch = Scratch("demo", base)
    folder = Path(scratch.name)
    if server_user() == "nobody":
        folder.chmod(0o711)  # its server must be able to pass through
    made: World | None = None
    try:
        made = (kind or story(DEFAULT).world)(folder, rows, tell)
        try:
            made.build()
        except (OSError, psycopg.Error, BotoCoreError, ClientError) as error:
            raise StepFailed(
                f"The demo's world could not be built: {plain(str(error), 300)}",
                means="It is removed again. Nothing of your own was touched.",
                next="Look whether there is room on the disk of the temporary folder (TMPDIR), then "
                "start it again.",
                code="demo-parts",
            ) from error
        yield made
    finally:
        try:
            if made is not None:
                made.close()
        finally:
            if keep:
                scratch.keep()
                tell(f"Kept: {folder}")
            else:
                scratch.cleanup()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def ago(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    return f"{hours} h ago" if hours < 48 else f"{hours // 24} days ago"
