"""Fixtures for all rooms: a real S3 server with versions and Object Lock, one per test worker."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from drbook.core.errors import UsageError
from drbook.core.points import ByteFact, SourceConfig
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Signal, Working
from drbook.providers.backups import BackupCatalog
from drbook.providers.cancel import CancelToken
from drbook.providers.sources.s3 import S3Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

_IDENTITIES = {
    "admin": ["Admin", "Read", "List", "Tagging", "Write", "BypassGovernanceRetention"],
    "reader": ["Read", "List"],
    "stranger": ["Read:somebody-elses-bucket"],
}


@dataclass
class S3Server:
    """A running server. Each identity's access key is its own name, its secret `<name>-secret`."""

    endpoint: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.endpoint.rsplit(":", 1)[1])

    def keys(self, identity: str = "admin") -> tuple[str, str]:
        return identity, f"{identity}-secret"

    def client(self, identity: str = "admin") -> "S3Client":
        """An unguarded client, with which tests prepare the world."""
        import boto3
        from botocore.config import Config

        access, secret = self.keys(identity)
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}),
        )

    def bucket(
        self, name: str = "backups", *, versioned: bool = False, locked: bool = False
    ) -> str:
        """Create an empty bucket with a fresh name that begins like this; returns the name."""
        client = self.client()
        full = f"{name}-{secrets.token_hex(4)}"
        options: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if locked else {}
        client.create_bucket(Bucket=full, **options)
        if versioned and not locked:
            client.put_bucket_versioning(Bucket=full, VersioningConfiguration={"Status": "Enabled"})
        return full


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, with their gRPC twin 10,000 higher, all below 55,000."""
    found: list[int] = []
    while len(found) < count:
        port = 20000 + secrets.randbelow(24000)
        try:
            for candidate in (port, port + 10000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", candidate))
        except OSError:
            continue
        if all(abs(port - other) not in (0, 10000) for other in found):
            found.append(port)
    return found


def _start(folder: Path) -> S3Server:
    master, volume, filer, s3, admin = _free_ports(5)
    config = folder / "identities.json"
    config.write_text(
        json.dumps(
            {
                "identities": [
                    {
                        "name": name,
                        "credentials": [{"accessKey": name, "secretKey": f"{name}-secret"}],
                        "actions": actions,
                    }
                    for name, actions in _IDENTITIES.items()
                ]
            }
        )
    )
    data = folder / "data"
    data.mkdir(exist_ok=True)
    weed = Path(sys.executable).with_name("weed")
    arguments = {
        "dir": data, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "master.port": master,
        "volume.port": volume, "filer.port": filer, "s3.port": s3, "admin.port": admin,
        "master.telemetry": "false", "admin.ui": "false", "webdav": "false",
        "s3.port.iceberg": 0, "s3.port.lance": 0, "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false", "volume.preStopSeconds": 0,
        "s3.config": config, "s3.localSocket": folder / "s3.sock",
        "filer.localSocket": folder / "filer.sock", "master.volumeSizeLimitMB": 128,
    }  # fmt: skip
    argv = [str(weed), "mini", *(f"-{name}={value}" for name, value in arguments.items())]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GOMEMLIMIT": "256MiB",
        "TMPDIR": str(folder),
    }  # fmt: skip
    with (folder / "weed.log").open("ab") as log:
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    return S3Server(f"http://127.0.0.1:{s3}", folder, process)


def _ready(server: S3Server, deadline: float) -> bool:
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.endpoint}/healthz", timeout=2):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    else:
        return False
    probe = server.client()
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            bucket = server.bucket("ready")
            # The first write waits for a volume to be grown.
            probe.put_object(Bucket=bucket, Key="ready", Body=b"ready")
            return True
        except Exception:  # noqa: BLE001 - whatever it answers now, only the deadline decides
            time.sleep(0.2)
    return False


def _stop(server: S3Server) -> None:
    server.process.terminate()
    try:
        server.process.wait(10)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait(10)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server per worker; another worker may take a port first, then others are tried."""
    for _ in range(4):
        server = _start(tmp_path_factory.mktemp("s3"))
        if _ready(server, time.monotonic() + 40):
            break
        _stop(server)
    else:
        log = (server.folder / "weed.log").read_text(errors="replace")
        pytest.fail(f"the S3 server did not start:\n{log[-3000:]}")
    yield server
    _stop(server)


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
        return self.structure


def secret(reference: str) -> str:
    """`env:admin` → `admin`, `env:admin_secret` → `admin-secret`; `env:MISSING…` is not set."""
    name = reference.removeprefix("env:")
    if name.startswith("MISSING"):
        raise UsageError(
            f"The secret {reference} cannot be read: it is not set.", next="Set it.", code="secret"
        )
    return name.replace("_", "-")


def drain(work: Working[T]) -> tuple[T, list[Signal]]:
    """Run work to its end: its result and everything it said."""
    signals: list[Signal] = []
    while True:
        try:
            signals.append(next(work))
        except StopIteration as done:
            return done.value, signals


@pytest.fixture(name="drain")
def _drain() -> Callable[[Working[T]], tuple[T, list[Signal]]]:
    return drain
