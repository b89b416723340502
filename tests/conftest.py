"""Fixtures for all rooms: a real S3 server with versions and Object Lock, one per test worker."""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from support import pattern
from support.pg import signals_of
from support.pgbackrest import Business, made
from support.s3 import S3Server
from support.walg import World, a_world

from drbook.app import onewriter
from drbook.core.errors import UsageError
from drbook.core.points import ByteFact, SourceConfig
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Signal, Working
from drbook.providers.backups import BackupCatalog
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import KNOWN, Secret
from drbook.providers.pgserver import server_user
from drbook.providers.pgtools import choose, find_tools
from drbook.providers.sources.s3 import S3Source

T = TypeVar("T")
TESTS = Path(__file__).parent
WHOLE = ("benchmarks", "corpus", "e2e", "pictures", "tui")
"""Rooms that show whole programs and screens. What coverage is held for is measured by the tests of its own
rooms; being measured makes these last half as long again and adds nothing."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Takes the tracer away by hand: under xdist, pytest-cov's `no_cover` leaves it where it is."""
    if item.path.relative_to(TESTS).parts[0] not in WHOLE:
        return (yield)
    here, threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        return (yield)
    finally:
        threading.settrace(threads)  # type: ignore[arg-type]
        sys.settrace(here)


# Programs that the test extra brings along lie beside Python, which need not be on PATH.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))


@pytest.fixture(autouse=True)
def _nothing_known_from_other_tests() -> None:
    """Secrets are known for a process's whole life; a test begins as a process does."""
    KNOWN.__init__()  # type: ignore[misc]


@pytest.fixture(autouse=True)
def _the_tests_keep_their_limits() -> Iterator[None]:
    """`main` lowers a limit of its process for good, which is here that of all tests. Patched apart from the
    test's own patches, which it may undo."""
    with pytest.MonkeyPatch.context() as own:
        own.setattr("drbook.cli.main._no_memory_on_disk", lambda: None)
        yield


@pytest.fixture(autouse=True)
def _incidents_of_its_own() -> Iterator[None]:
    """Many tests' incidents have one id, and the tests of other processes are not other writers of it."""
    with pytest.MonkeyPatch.context() as own:
        own.setattr(onewriter, "PREFIX", f"drbook-test-{os.getpid()}-")
        yield


@pytest.fixture(autouse=True)
def _servers_reach_their_folders(request: pytest.FixtureRequest) -> None:
    """Where servers run as `nobody`, they have to get past the folders that pytest keeps closed."""
    if "tmp_path" in request.fixturenames and server_user() == "nobody":
        path: Path = request.getfixturevalue("tmp_path")
        path.chmod(0o711)


@pytest.fixture(scope="session", autouse=True)
def _servers_reach_any_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    if server_user() == "nobody":
        base = tmp_path_factory.getbasetemp()
        for folder in (base, *base.parents):
            if folder.parent == Path(tempfile.gettempdir()).parent:
                break
            folder.chmod(folder.stat().st_mode | 0o011)


@pytest.fixture(scope="session", autouse=True)
def _clusters_are_copied(tmp_path_factory: pytest.TempPathFactory) -> None:
    pattern.keep_in(tmp_path_factory.mktemp("pattern"))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server per worker, the same that the demo brings."""
    server = S3Server(tmp_path_factory.mktemp("s3") / "store")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def business(tmp_path_factory: pytest.TempPathFactory) -> Business:
    """What pgBackRest backed up of a small business. Tests that ask for it are of the group `pgbackrest`, so
    that it is made once."""
    return made(tmp_path_factory.mktemp("pgbackrest"))


@pytest.fixture(scope="session")
def walg_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What WAL-G would have kept of a server. Tests that ask for it are of the group `wal-g`, so that it is
    made once."""
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as name:
        extra = [one for one in find_tools() if one.origin == "extra"]
        yield a_world(choose(extra, server=True)[0], Path(name))


@pytest.fixture
def catalog_of(tmp_path: Path, s3_server: S3Server) -> Iterator["CatalogMaker"]:
    """Makes catalogues whose secrets are the server's own; closes them all at the end."""
    maker = CatalogMaker(tmp_path / "incident", s3_server)
    yield maker
    for catalog in maker.made:
        catalog.close()


class CatalogMaker:
    """Call it with source configurations, or with a bucket's name for a plain S3 source."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        folder.mkdir()
        self.folder = folder
        self.server = server
        self.cancel = CancelToken()
        self.made: list[BackupCatalog] = []
        self.checked: list[Path] = []
        self.structure = ByteFact(state="structure", reason="read to its end; content unproven")
        self.sound: bytes | None = None
        """Where it is set, the only bytes that read to their end."""

    def s3(self, bucket: str, identity: str = "admin", **more: object) -> S3Source:
        fields = {
            "id": "offsite",
            "bucket": bucket,
            "endpoint": self.server.endpoint,
            "access_key": f"env:{identity}",
            "secret_key": f"env:{identity}-secret".replace("-", "_"),
        }
        return S3Source.model_validate(fields | more)

    def __call__(self, *configs: SourceConfig | str, identity: str = "admin") -> BackupCatalog:
        made = BackupCatalog(
            [self.s3(each, identity) if isinstance(each, str) else each for each in configs],
            self.folder,
            self.cancel,
            secrets=secret,
            check_structure=self._check,
        )
        self.made.append(made)
        return made

    def _check(self, path: Path, cancel: Cancel) -> Working[ByteFact]:
        self.checked.append(path)
        yield Progress("check", 0, None, "bytes")
        if self.sound is not None and path.read_bytes() != self.sound:
            return ByteFact(state="damaged", reason="it does not read to its end")
        return self.structure


def secret(reference: str) -> Secret:
    """`env:admin` → `admin`, `env:admin_secret` → `admin-secret`; `env:MISSING…` is not set."""
    name = reference.removeprefix("env:")
    if name.startswith("MISSING"):
        raise UsageError(
            f"The secret {reference} cannot be read: it is not set.", next="Set it.", code="secret"
        )
    return Secret(name.replace("_", "-"))


@pytest.fixture(name="drain")
def _drain() -> Callable[[Working[T]], tuple[T, list[Signal]]]:
    return signals_of
