"""A hundred thousand objects in a real S3 server, filled one by one.

    python tests/campaigns/bucket.py                    # 100,000 objects; some minutes
    python tests/campaigns/bucket.py --objects 10000

One object in ten is a dump of the last two years, some of the newest lie under delete markers, and the
rest are no dumps. Exit code 1 unless the newest copies are found with declared date keys at a fifth of
the requests or less, all are found without, and memory grows with neither.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.bigbucket import BODY, nightly, rubbish
from support.s3 import S3Server

from drbook.providers.datedkeys import DatedKeys

KEYS = "nightly/{%Y}/{%m}/{%d}/"
WRITERS = 8
_CHILD = """
import json, sys
from support.pg import signals_of
from support.s3 import admin_keys
from drbook.providers.cancel import CancelToken
from drbook.providers.s3source import S3Reader
from drbook.providers.sources.base import Opening
from drbook.providers.sources.s3 import S3Source
fields, page = json.loads(sys.argv[1]), int(sys.argv[2])
source = S3Reader(S3Source.model_validate(fields), Opening(admin_keys, CancelToken()))
events = source._connection.client.meta.events
count = []
events.register("before-send.s3", lambda **_: count.append(1))
for list in ("ListObjectVersions", "ListObjectsV2"):
    events.register(f"provide-client-params.s3.{list}", lambda params, **_: params.update(MaxKeys=page))
points, _ = signals_of(source.points())
status = open("/proc/self/status").read()
print(json.dumps({"copies": [each.id for each in points], "left_out": source.left_out,
                  "requests": len(count), "kibibytes": int(status.split("VmHWM:")[1].split()[0])}))
"""


@dataclass(frozen=True)
class Listed:
    """One list of the bucket, in a process of its own."""

    copies: tuple[str, ...]
    left_out: tuple[str, ...]
    requests: int
    kibibytes: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    begun: datetime
    dumps: frozenset[str]
    hidden: frozenset[str]
    narrowed: Listed
    whole: Listed
    empty: Listed
    """Of a bucket that holds nothing."""

    @property
    def wrong(self) -> list[str]:
        """What does not hold, in words."""
        days = DatedKeys(KEYS).prefixes(self.begun, timedelta(days=14))
        newest = {key for key in self.dumps if key.startswith(days)}
        growth = (self.whole.kibibytes - self.empty.kibibytes) / 1024
        checks = {
            "with keys, not all of the newest are found": set(self.narrowed.copies) == newest,
            "with keys, what is hidden is not found": self.hidden <= set(self.narrowed.copies),
            "with keys, it is not said that a part was listed": len(self.narrowed.left_out) >= 2,
            "with keys, more than a fifth of the requests": self.narrowed.requests * 5
            <= self.whole.requests,
            "without keys, not all are found": len(self.whole.copies) == min(1000, len(self.dumps))
            and set(self.whole.copies) <= self.dumps,
            f"memory grows by {growth:.0f} MiB": growth < 24,
        }
        return [words for words, holds in checks.items() if not holds]


def fill(server: S3Server, name: str, keys: Sequence[str], hidden: frozenset[str]) -> None:
    client = server.client()

    def put(key: str) -> None:
        client.put_object(Bucket=name, Key=key, Body=BODY)

    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(put, keys):
            pass
    for key in hidden:
        client.delete_object(Bucket=name, Key=key)


def listed(server: S3Server, name: str, page: int, **more: str) -> Listed:
    fields = {"id": "offsite", "bucket": name, "endpoint": server.endpoint} | more
    fields |= {"access_key": "env:k", "secret_key": "env:s"}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps(fields), str(page)],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    seconds = time.monotonic() - begun
    return Listed(
        tuple(found["copies"]), tuple(found["left_out"]), found["requests"], found["kibibytes"],
        seconds,
    )  # fmt: skip


def bucket(objects: int, page: int, days: int) -> Outcome:
    """So many objects, listed in pages of that many."""
    now = datetime.now(UTC)
    dumps = nightly(objects // 10, days, now)
    hidden = frozenset(dumps[:3])
    keys = [*dumps, *rubbish(objects - len(dumps))]
    with tempfile.TemporaryDirectory(prefix="drbook-bucket-") as folder:
        server = S3Server(Path(folder) / "store")
        server.start()
        try:
            name, nothing = server.bucket(versioned=True), server.bucket(versioned=True)
            fill(server, name, keys, hidden)
            return Outcome(
                now,
                frozenset(dumps),
                hidden,
                listed(server, name, page, date_keys=KEYS),
                listed(server, name, page),
                listed(server, nothing, page),
            )
        finally:
            server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=100_000)
    given = parser.parse_args()
    outcome = bucket(given.objects, page=1000, days=730)
    for way, each in (("with keys", outcome.narrowed), ("without", outcome.whole)):
        print(
            f"{way:10} {len(each.copies):5} copies  {each.requests:4} requests  {each.seconds:6.2f} s"
            f"  {each.kibibytes / 1024:4.0f} MiB; not " + "; ".join(each.left_out)
        )
    for words in outcome.wrong:
        print(f"WRONG: {words}")
    print("holds" if not outcome.wrong else "DOES NOT HOLD")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
