"""What it takes to find the newest copy in a large bucket: with declared date keys, without, and by hand.

    python tests/benchmarks/bucket.py --objects 100000

An endpoint of the tests' own lists so many objects, of which four thousand are dumps. By hand: all pages
of boto3's own paginator, and the newest key of them, as `aws s3 ls --recursive | sort | tail` does. With
drbook: the list alone, and the whole of `drbook backups --quick`, which also judges the copies. What is
printed are requests, seconds and the most memory of a process of its own; the ratios are to by hand.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.bigbucket import BigBucket, nightly, rubbish, running_bucket
from support.program import Drbook, PeakMemory

KEYS = "nightly/{%Y}/{%m}/{%d}/"
DUMPS = 4000
_BY_HAND = """
import boto3, sys
client = boto3.client(
    "s3", endpoint_url=sys.argv[1], region_name="us-east-1",
    aws_access_key_id="k", aws_secret_access_key="s",
)
pages = client.get_paginator("list_objects_v2").paginate(Bucket="backups")
keys = sorted(each["Key"] for page in pages for each in page["Contents"])
print([key for key in keys if key.endswith(".dump")][-1])
"""
_LIST = """
import sys
from support.pg import signals_of
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.s3source import S3Reader
from drbook.providers.sources.base import Opening
from drbook.providers.sources.s3 import S3Source
fields = {"id": "offsite", "bucket": "backups", "endpoint": sys.argv[1], "access_key": "env:k",
          "secret_key": "env:s"} | ({"date_keys": sys.argv[2]} if sys.argv[2:] else {})
opening = Opening(lambda _: Secret("admin-secret"), CancelToken())
print(signals_of(S3Reader(S3Source.model_validate(fields), opening).points())[0][0].id)
"""


@dataclass(frozen=True)
class Measured:
    """One way to find it."""

    way: str
    newest: str
    requests: int
    seconds: float
    mebibytes: float


def measured(
    bucket: BigBucket, way: str, start: Callable[[], "subprocess.Popen[str]"],
    newest: Callable[[str], str] = str.strip,
) -> Measured:  # fmt: skip
    bucket.requests.clear()
    begun = time.monotonic()
    process = start()
    peak = PeakMemory(process.pid)
    out, err = process.communicate(timeout=600)
    seconds = time.monotonic() - begun
    assert process.returncode == 0, err
    return Measured(way, newest(out), bucket.requests.total(), seconds, peak.end())


def script(text: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def runbook(folder: Path, bucket: BigBucket, keys: str | None) -> Path:
    source: dict[str, object] = {
        "id": "offsite", "kind": "s3", "bucket": "backups", "endpoint": bucket.endpoint,
        "access_key": "env:BUCKET_KEY", "secret_key": "env:BUCKET_SECRET",
        "domain": {"provider": "far", "account": "b", "resource": "backups", "credentials": ["w"]},
    }  # fmt: skip
    if keys is not None:
        source["date_keys"] = keys
    path = folder / ("narrowed.yaml" if keys else "whole.yaml")
    lost = {"provider": "here", "account": "prod", "resource": "vol", "credentials": ["t"]}
    document = {
        "drbook": 1, "title": "T", "production": {"domain": lost},
        "credentials": {"t": {"stored_in": ["laptops"]}, "w": {"stored_in": ["vault"]}},
        "backups": [source],
        "steps": [{"id": "a", "phase": "locate", "why": "w", "do": "backups.locate",
                   "with": {"require": ["resource", "credential"]}}],
    }  # fmt: skip
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def compare(objects: int) -> list[Measured]:
    now = datetime.now(UTC)
    keys = [*nightly(DUMPS, now=now), *rubbish(objects - DUMPS)]
    with running_bucket(keys, now=now) as bucket, tempfile.TemporaryDirectory() as folder:
        drbook = Drbook(Path(folder) / "home")

        def backups(keys: str | None) -> "subprocess.Popen[str]":
            path = runbook(Path(folder), bucket, keys)
            return drbook.start(
                *("backups", str(path), "--quick", "--json"),
                BUCKET_KEY="admin-key-of-the-bench",
                BUCKET_SECRET="admin-secret-of-the-bench",
            )

        def newest(out: str) -> str:
            return str(json.loads(out)["located"]["newest"]["id"])

        endpoint = bucket.endpoint
        return [
            measured(bucket, "by hand: all pages", lambda: script(_BY_HAND, endpoint)),
            measured(bucket, "list, no `keys`", lambda: script(_LIST, endpoint)),
            measured(bucket, "list, with `keys`", lambda: script(_LIST, endpoint, KEYS)),
            measured(bucket, "`backups`, no `keys`", lambda: backups(None), newest),
            measured(bucket, "`backups`, with `keys`", lambda: backups(KEYS), newest),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=100_000)
    given = parser.parse_args()
    ways = compare(given.objects)
    hand = ways[0]
    for each in ways:
        print(
            f"{each.way:24} {each.requests:5} requests ({each.requests / hand.requests:5.2f})"
            f"  {each.seconds:6.2f} s ({each.seconds / hand.seconds:5.2f})"
            f"  {each.mebibytes:4.0f} MiB   {each.newest}"
        )
    same = len({each.newest.rpartition("/")[0] for each in ways}) == 1
    print("the newest copy is of the same day" if same else "THEY DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
