"""A real S3 server for the disposable world: SeaweedFS from the extra, on loopback only.

It keeps versions and enforces Object Lock. Its telemetry and its administration page are switched
off. Its S3 and filer sockets lie in its own folder; those between its own parts it puts into /tmp and
takes away when it is stopped.
"""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.errors import StepFailed
from drbook.core.values import plain_lines
from drbook.providers.child import Child
from drbook.providers.pids import Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READY_SECONDS = 60.0
HEEDS_SECONDS = 10.0
VOLUME_MB = 16
"""Each bucket takes a volume of its own, and the server makes no more of them than its free disk holds: of
small ones there are enough where room is scarce."""

ATTEMPTS = 4
"""Another world may take a port between looking and listening."""


def program() -> Path | None:
    """The server's program: beside this interpreter, or on PATH; None where it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    if beside.is_file():
        return beside
    found = shutil.which("weed")
    return Path(found) if found else None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who may talk to the server. `actions` in its own words: `Admin`, or `Read:bucket`."""

    access_key: str
    secret_key: str
    actions: tuple[str, ...]

    @classmethod
    def owner(cls, buckets: Sequence[str]) -> "Identity":
        """Somebody with every right on these buckets, and keys nobody has seen."""
        rights = ("Admin", "Read", "Write", "List", "Tagging")
        actions = tuple(f"{right}:{bucket}" for bucket in buckets for right in rights)
        return cls(secrets.token_urlsafe(15), secrets.token_urlsafe(24), actions)


OPERATOR = "operator"
"""The identity that every server has, with every right: it prepares the world."""


class ObjectStore:
    """One running server and those who may talk to it, by name."""

    def __init__(self, folder: Path, identities: dict[str, Identity]) -> None:
        self._folder = folder
        operator = Identity(secrets.token_urlsafe(15), secrets.token_urlsafe(24), ("Admin",))
        self._identities = {OPERATOR: operator} | identities
        self._child: Child | None = None
        self.endpoint = ""

    def keys(self, identity: str) -> tuple[str, str]:
        """Access key and secret."""
        found = self._identities[identity]
        return found.access_key, found.secret_key

    def start(self) -> None:
        """Raises StepFailed where it is not installed or does not come up."""
        weed = program()
        if weed is None:
            raise StepFailed(
                "The S3 server of the demo (`weed`) is not installed.",
                next="pip install 'drbook[demo]'",
                code="demo-parts",
            )
        self._folder.mkdir(mode=0o700)
        self._write_identities()
        for _ in range(ATTEMPTS):
            self._launch(weed)
            if self._answers():
                return
            self.stop()
        log = self._folder / "weed.log"
        tail = log.read_text(encoding="utf-8", errors="replace")[-1500:] if log.exists() else ""
        raise StepFailed(
            f"The S3 server of the demo did not start. Its log ends:\n{plain_lines(tail, 300)}",
            next="Start the demo again.",
            code="demo-parts",
        )

    def client(self, identity: str = OPERATOR) -> "S3Client":
        """An unguarded client with which the world is prepared."""
        import boto3
        from botocore.config import Config

        access, secret = self.keys(identity)
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 5},
                connect_timeout=5,
                read_timeout=60,
            ),
        )

    def revoke(self) -> None:
        """Give every identity but the operator's another secret, while the server runs, and wait until it
        heeds that. Raises StepFailed where it does not."""
        assert self._child is not None
        old = {name: self.client(name) for name in self._identities if name != OPERATOR}
        for name in old:
            who = self._identities[name]
            self._identities[name] = replace(who, secret_key=secrets.token_urlsafe(24))
        self._write_identities()
        launched = self._child.started()
        for pid in Table.now().session(launched.pid, launched.started):
            os.kill(pid, signal.SIGHUP)  # it reads its identities anew
        until = time.monotonic() + HEEDS_SECONDS
        while any(_opens(client) for client in old.values()):
            if time.monotonic() > until:
                raise StepFailed("The S3 server of the demo still takes keys that were revoked.")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _write_identities(self) -> None:
        entries = [
            {
                "name": name,
                "credentials": [{"accessKey": who.access_key, "secretKey": who.secret_key}],
                "actions": list(who.actions),
            }
            for name, who in self._identities.items()
        ]
        path = self._folder / "identities.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"identities": entries}), encoding="utf-8")

    def _launch(self, weed: Path) -> None:
        master, volume, filer, s3, admin = free_ports(5)
        data = self._folder / "objects"
        data.mkdir(mode=0o700, exist_ok=True)
        options = {
            "dir": data,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": VOLUME_MB,
            "volume.port": volume,
            "volume.preStopSeconds": 0,
            "filer.port": filer,
            "filer.localSocket": self._folder / "filer.sock",
            "s3.port": s3,
            "s3.config": self._folder / "identities.json",
            "s3.localSocket": self._folder / "s3.sock",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.autoCreateBucket": "false",
            "s3.allowDeleteBucketNotEmpty": "false",
            "admin.port": admin,
            "admin.ui": "false",
            "webdav": "false",
        }
        argv = [str(weed), "mini", *(f"-{name}={value}" for name, value in options.items())]
        environment = {
            "GOMEMLIMIT": "256MiB",
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
        }
        with (self._folder / "weed.log").open("ab") as log:
            self._child = Child(argv, env=environment, cwd=self._folder, stdout=log, stderr=log)
        self._child.go()
        self.endpoint = f"http://127.0.0.1:{s3}"

    def _answers(self) -> bool:
        """Wait until it takes a first write: that one waits for its storage to be laid out."""
        assert self._child is not None
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self._child.popen.poll() is not None:
                return False
            try:
                with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=2):
                    return self._takes_a_write(until)
            except (OSError, http.client.HTTPException):  # URLError is an OSError
                time.sleep(0.1)
        return False

    def _takes_a_write(self, until: float) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client(OPERATOR)
        while time.monotonic() < until:
            try:
                client.create_bucket(Bucket="ready")
                client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            except client.exceptions.BucketAlreadyOwnedByYou:
                return True
            except (BotoCoreError, ClientError):
                time.sleep(0.2)
            else:
                return True
        return False


def _opens(client: "S3Client") -> bool:
    """Whether the server takes the key of this client, whatever it allows it then."""
    from botocore.exceptions import ClientError

    try:
        client.list_buckets()
    except ClientError as error:
        return error.response["Error"]["Code"] not in (
            "SignatureDoesNotMatch",
            "InvalidAccessKeyId",
        )
    return True


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free now. Each server also takes the one 10,000 higher; both lie below
    those that the kernel gives to clients, which could otherwise meet themselves there."""
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(2_700)
        if any(abs(port - other) in (0, 10_000) for other in found):
            continue
        try:
            for candidate in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", candidate))
        except OSError:
            continue
        found.append(port)
    return found


def installed() -> bool:
    return program() is not None and os.access(program() or "", os.X_OK)
