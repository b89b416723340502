"""Stores that repeat Object Lock headers and do not, or not wholly, keep what they say."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config


def client(endpoint: str):  # type: ignore[no-untyped-def]
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="admin",
        aws_secret_access_key="admin-secret",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@contextmanager
def rclone(folder: Path) -> Iterator[str]:
    """`rclone serve s3` on a folder: it repeats lock headers and enforces nothing."""
    program = shutil.which("rclone")
    assert program, "rclone is part of the test extra"
    (folder / "buckets").mkdir()
    port = _free()
    argv = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", str(folder / "buckets")]
    argv += ["--config", str(folder / "none.conf")]
    with (folder / "rclone.log").open("wb") as log:
        running = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """moto's server, in a process of its own: it takes shortening, and anybody's bypass."""
    port = _free()
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        running = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the store does not answer")
