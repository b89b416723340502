"""The disposable world: production, its backups in three places, a baseline, and the disaster.

Everything lies in one private folder and is removed with it. All servers listen on a private socket
or on loopback, under a launcher that ends them with us.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from drbook.app.shipped import folder as shipped_folder
from drbook.core.baseline import Baseline, Manifest, TableCounts
from drbook.core.errors import StepFailed
from drbook.core.signals import finish
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.demo.business import HISTORY, Business
from drbook.demo.objectstore import Identity, ObjectStore
from drbook.providers.baselines import DirectoryBaselines
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools, choose, find_tools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.scratch import Scratch

Tell = Callable[[str], None]

RUNBOOK = "rental-business.yaml"
DATABASE = "rental"
APP_BUCKET, OFFSITE_BUCKET = "rental-app", "rental-offsite"
LOCK = timedelta(days=30)
SHORT = 49
"""Characters of a temporary folder's name below which a server's socket in it has a legal name."""


class World:
    """A rental business in one folder. Use `world(...)`, which cleans up."""

    def __init__(self, folder: Path, rows: int, tell: Tell) -> None:
        self.folder = folder
        self.now = datetime.now(UTC).replace(microsecond=0)
        self._rows = rows
        self._tell = tell
        self._cancel = CancelToken()
        self._tools: PgTools = choose(find_tools(), server=True)[0]
        self.production = ClusterServer(self._tools, folder / "volume", name="rental-production")
        identities = {
            "app": Identity.owner([APP_BUCKET]),
            "offsite": Identity.owner([OFFSITE_BUCKET]),
        }
        self.store = ObjectStore(folder / "object-store", identities)
        self.volume = self.production.folder
        self._address = ""

    # --- calm times ---------------------------------------------------------------------------

    def build(self) -> None:
        """Production with ninety days of trade, and every backup as it was taken on the way."""
        self._tell("Starting PostgreSQL and an S3 server for a rental business …")
        self._start_production()
        self.store.start()
        self._make_buckets()
        self._tell(f"Ninety days of trade: about {self._rows:,} rows, with backups on the way …")
        with psycopg.connect(
            host=str(self.production.socket), user="postgres", dbname=DATABASE, autocommit=True
        ) as connection:
            business = Business(connection, self._rows)
            self._live(business)

    def _live(self, business: Business) -> None:
        moment = self.now - HISTORY
        business.found(moment)
        for ago, happens in (
            (timedelta(days=3), self._offsite_backup),
            (timedelta(days=2), self._offsite_backup),
            (timedelta(hours=26), self._offsite_backup),
            (timedelta(hours=11), self._truncated_backup),
            (timedelta(hours=3), self._baseline),
            (timedelta(hours=2), self._app_backup),
            (timedelta(hours=1), self._volume_backup),
            (timedelta(0), None),
        ):
            business.trade(moment, self.now - ago)
            moment = self.now - ago
            if happens is not None:
                happens(moment)

    def _start_production(self) -> None:
        self.production.make_folder()
        finish(self.production.create())
        # A world that is thrown away need not survive a power cut.
        finish(self.production.start({"fsync": "off", "synchronous_commit": "off"}))
        with psycopg.connect(
            host=str(self.production.socket), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())

    def _make_buckets(self) -> None:
        client = self.store.client()
        client.create_bucket(Bucket=APP_BUCKET)
        client.create_bucket(Bucket=OFFSITE_BUCKET, ObjectLockEnabledForBucket=True)

    # --- backups ------------------------------------------------------------------------------

    def _offsite_backup(self, taken: datetime) -> None:
        self._tell(f"  backup off site, {_ago(self.now - taken)}")
        with self._dumped(taken) as (dump, manifest):
            self._upload("offsite", OFFSITE_BUCKET, "nightly/", dump, manifest, locked=True)

    def _truncated_backup(self, taken: datetime) -> None:
        """An upload that broke off: its manifest says what it should have been."""
        self._tell(f"  backup off site, {_ago(self.now - taken)} (its upload breaks off)")
        with self._dumped(taken) as (dump, manifest):
            with dump.open("r+b") as stream:
                stream.truncate(manifest.size * 2 // 3)
            self._upload("offsite", OFFSITE_BUCKET, "nightly/", dump, manifest, locked=True)

    def _app_backup(self, taken: datetime) -> None:
        self._tell(f"  backup beside the application's files, {_ago(self.now - taken)}")
        with self._dumped(taken) as (dump, manifest):
            self._upload("app", APP_BUCKET, "db/", dump, manifest, locked=False)

    def _volume_backup(self, taken: datetime) -> None:
        self._tell(f"  backup on the volume itself, {_ago(self.now - taken)}")
        backups = self.production.folder / "backups"
        backups.mkdir(mode=0o700, exist_ok=True)
        with self._dumped(taken) as (dump, manifest):
            shutil.copyfile(dump, backups / dump.name)
            (backups / f"{dump.name}.manifest.json").write_text(
                manifest.model_dump_json(), encoding="utf-8"
            )

    def _baseline(self, taken: datetime) -> None:
        self._tell(f"  baseline captured, {_ago(self.now - taken)}")
        counts = self._count(taken)
        folder = self.folder / "baselines"
        folder.mkdir(mode=0o700)
        store = DirectoryBaselines(path=str(folder)).open(Secret)
        store.save(Baseline(captured_at=taken, counts=counts, drbook_version="demo"))

    @contextmanager
    def _dumped(self, taken: datetime) -> Iterator[tuple[Path, Manifest]]:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="dump-") as scratch:
            dump = Path(scratch) / f"rental-{taken:%Y%m%dT%H%M%SZ}.dump"
            argv: list[str | Path] = [self._tools.path("pg_dump"), "--format=custom"]
            argv += ["--compress=1", f"--host={self.production.socket}", "--username=postgres"]
            argv += [f"--dbname={DATABASE}", f"--file={dump}"]
            done = complete(argv, timeout=timedelta(minutes=30))
            if done.exit_code != 0:
                raise StepFailed(f"The demo's backup failed: {done.stderr.strip()[-300:]}")
            manifest = Manifest(
                name=dump.name,
                size=dump.stat().st_size,
                sha256=_sha256(dump),
                taken_at=taken,
                counts=self._count(taken),
            )
            yield dump, manifest

    def _upload(
        self,
        identity: str,
        bucket: str,
        prefix: str,
        dump: Path,
        manifest: Manifest,
        *,
        locked: bool,
    ) -> None:
        client = self.store.client(identity)
        described = io.BytesIO(manifest.model_dump_json().encode())
        with dump.open("rb") as stream:
            for name, body in ((dump.name, stream), (f"{dump.name}.manifest.json", described)):
                if locked:
                    client.put_object(
                        Bucket=bucket,
                        Key=prefix + name,
                        Body=body,
                        ObjectLockMode="COMPLIANCE",
                        ObjectLockRetainUntilDate=self.now + LOCK,
                    )
                else:
                    client.put_object(Bucket=bucket, Key=prefix + name, Body=body)

    def _count(self, taken: datetime) -> TableCounts:
        """Production's figures, dated as the world tells its time."""
        reader = PostgresReader(os.environ, self._cancel)
        counts = finish(reader.count(self.ref, content=True, structure="read"))
        return counts.model_copy(update={"taken_at": taken})

    @property
    def ref(self) -> DatabaseRef:
        return self.production.ref(DATABASE)

    # --- the disaster -------------------------------------------------------------------------

    def disaster(self) -> datetime:
        """One call deletes the production volume, and the copies on it with it. Returns when."""
        self._address = str(self.production.socket)
        self.production.stop()
        shutil.rmtree(self.volume)
        self._tell("A leaked token has deleted the production volume, in one call.")
        return datetime.now(UTC).replace(microsecond=0)

    # --- what the operator has ----------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The secrets that the runbook refers to."""
        app, offsite = self.store.keys("app"), self.store.keys("offsite")
        return {
            "APP_STORAGE_KEY_ID": app[0],
            "APP_STORAGE_SECRET": app[1],
            "OFFSITE_KEY_ID": offsite[0],
            "OFFSITE_SECRET": offsite[1],
        }

    def runbook(self) -> Path:
        """The shipped runbook with this world's addresses in it."""
        text = (shipped_folder() / RUNBOOK).read_text(encoding="utf-8")
        for shipped, here in (
            ("/var/run/postgresql", self._address),
            ("/srv/rental/volume/data", str(self.volume / "data")),
            ("/srv/rental/volume/backups", str(self.volume / "backups")),
            ("/srv/rental/baselines", str(self.folder / "baselines")),
            ("https://storage.app.example.com", self.store.endpoint),
            ("https://storage.offsite.example.com", self.store.endpoint),
        ):
            if text.count(shipped) != 1:
                raise AssertionError(f"{RUNBOOK} names {shipped} {text.count(shipped)} times")
            text = text.replace(shipped, json.dumps(here))
        path = self.folder / RUNBOOK
        path.write_text(text, encoding="utf-8")
        return path

    def close(self) -> None:
        """Stop every server of this world."""
        self.store.stop()
        self.production.stop()


@contextmanager
def world(rows: int, *, keep: bool, tell: Tell) -> Iterator[World]:
    """A built world before its disaster; removed with the block, whatever happens in it."""
    base = tempfile.gettempdir()
    if len(base) > SHORT:
        base = "/tmp"
    scratch = Scratch("demo", base)
    folder = Path(scratch.name)
    if server_user() == "nobody":
        folder.chmod(0o711)  # its server must be able to pass through
    made: World | None = None
    try:
        made = World(folder, rows, tell)
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
        if made is not None:
            made.close()
        if keep:
            tell(f"Kept: {folder}")
        else:
            scratch.cleanup()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _ago(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    return f"{hours} h ago" if hours < 48 else f"{hours // 24} days ago"
