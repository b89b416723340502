"""A bucket with a hundred thousand objects: how many requests, how much memory, and what is said.

The endpoint is one of the tests' own, whose answers are held against a real server's.
"""

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.bigbucket import BODY, NOW, BigBucket, nightly, rubbish, running_bucket
from support.pg import signals_of

from drbook.core.points import RecoveryPoint
from drbook.core.signals import Milestone
from drbook.providers.cancel import CancelToken
from drbook.providers.datedkeys import DatedKeys
from drbook.providers.hiding import Secret
from drbook.providers.s3source import S3Reader
from drbook.providers.sources.base import Opening
from drbook.providers.sources.s3 import S3Source

KEYS = "nightly/{%Y}/{%m}/{%d}/"
OBJECTS = 100_000


def reader(bucket: BigBucket, **more: object) -> S3Reader:
    fields = {"id": "offsite", "bucket": "backups", "endpoint": bucket.endpoint}
    keys = {"access_key": "env:k", "secret_key": "env:s"}
    config = S3Source.model_validate(fields | keys | more)
    return S3Reader(config, Opening(lambda _: Secret("admin-secret"), CancelToken()), lambda: NOW)


def listed(source: S3Reader) -> tuple[Sequence[RecoveryPoint], list[str]]:
    points, said = signals_of(source.points())
    return points, [each.text for each in said if isinstance(each, Milestone)]


@pytest.fixture(scope="module")
def bucket() -> Any:
    strange = ["nightly/latest.dump", "nightly/2026/11/tmp/a.dump", "old/2019.dump", "readme.txt"]
    dumps = nightly(4000)
    with running_bucket([*dumps, *strange, *rubbish(OBJECTS - 4000 - len(strange))]) as made:
        yield made


def test_declared_dates_take_a_small_share_of_the_requests(bucket: BigBucket) -> None:
    bucket.requests.clear()
    source = reader(bucket, date_keys=KEYS)
    points, _ = listed(source)
    narrowed = bucket.requests.copy()
    assert points[0].id == "nightly/2026/11/28/shop010.dump"
    assert len(points) == 15 * 11
    assert all(point.id >= "nightly/2026/11/14/" for point in points)
    bucket.requests.clear()
    whole = reader(bucket)
    everything, said = listed(whole)
    assert bucket.requests["ListObjectVersions"] == OBJECTS // 1000
    assert narrowed["ListObjectVersions"] == 16 + 4
    assert narrowed.total() * 4 < bucket.requests.total()
    assert len(everything) == 1000
    assert {each.id for each in points} <= {each.id for each in everything}
    assert said == [
        "offsite: objects that are not named like dumps: 95,996 in tmp/, 1 in the bucket's root"
    ]
    assert whole.left_out == ("3,003 older copies, as `newest: 1000` says",)


def test_what_lies_beside_is_said(bucket: BigBucket) -> None:
    source = reader(bucket, date_keys=KEYS)
    listed(source)
    assert source.left_out == (
        "other keys than nightly/2026/11/14/ … nightly/2026/11/29/, as `date_keys` declares",
        "folders outside the declared keys: old/, tmp/, nightly/2026/11/tmp/",
        "objects outside the declared keys: 1 in the bucket's root, 1 in nightly/",
    )


def test_a_folder_of_more_than_a_page_is_not_said_to_be_looked_through() -> None:
    flat = [f"n/db-20{year:02}{month:02}{day:02}.dump" for year in range(20, 27)
            for month in range(1, 13) for day in range(1, 29)]  # fmt: skip
    with running_bucket(flat) as made:
        source = reader(made, date_keys="n/db-{%Y}{%m}{%d}", prefix="n/")
        points, _ = listed(source)
        assert points[0].id == "n/db-20261128.dump"
        assert source.left_out[-1] == "all that lies in n/ (more than one page)"


def test_keys_that_hold_nothing_prove_nothing() -> None:
    with running_bucket(["nightly/2025/01/01/a.dump", "b.dump"]) as made:
        source = reader(made, date_keys=KEYS)
        points, said = listed(source)
        assert {point.id for point in points} == {"nightly/2025/01/01/a.dump", "b.dump"}
        assert said == [
            "offsite: no copy under nightly/2026/11/14/ … nightly/2026/11/29/, so everything is listed"
        ]
        assert source.left_out == ()


def test_all_is_listed_once_it_is_asked_for() -> None:
    with running_bucket(["nightly/2025/01/01/a.dump", "nightly/2026/11/28/b.dump"]) as made:
        source = reader(made, date_keys=KEYS)
        assert len(listed(source)[0]) == 1
        assert source.widen()
        assert len(listed(source)[0]) == 2
        assert source.left_out == ()
        assert not source.widen()
        assert not reader(made).widen()


def test_enough_of_the_newest_end_the_list() -> None:
    with running_bucket(nightly(3650)) as made:
        source = reader(made, date_keys=KEYS, newest=25)
        points, _ = listed(source)
        assert len(points) == 25
        assert source.left_out == (
            "other keys than nightly/2026/11/26/ … nightly/2026/11/29/, as `date_keys` declares",
            "5 older copies, as `newest: 25` says",
        )


@pytest.mark.parametrize("denied", [False, True])
def test_what_a_delete_marker_hides_is_found_where_versions_may_be_seen(denied: bool) -> None:
    kept, gone = "nightly/2026/11/28/a.dump", "nightly/2026/11/27/b.dump"
    with running_bucket([kept, gone], frozenset({gone}), versions_denied=denied) as made:
        source = reader(made, date_keys=KEYS)
        points, _ = listed(source)
        hidden = {each.id: source.facts(each).hidden_by_delete_marker for each in points}
        assert hidden == ({kept: None} if denied else {kept: False, gone: True})


def test_names_from_outside_are_plain_in_what_is_said() -> None:
    keys = ["nightly/2026/11/28/a.dump", "\x1b[31mred/a", "[bold]/b.txt"]
    with running_bucket(keys) as made:
        source = reader(made, date_keys=KEYS)
        listed(source)
        assert "\x1b" not in "".join(source.left_out)
        _, said = listed(reader(made))
        assert said
        assert "\x1b" not in "".join(said)


# --- memory ------------------------------------------------------------------------------------

_CHILD = """
import sys
from support.bigbucket import BigBucket
from providers.test_big_bucket import listed, reader
bucket = BigBucket([])
bucket.endpoint = sys.argv[1]
points, _ = listed(reader(bucket))
status = open("/proc/self/status").read()
print(len(points), status.split("VmHWM:")[1].split()[0])
"""


def peak(keys: list[str]) -> tuple[int, float]:
    """Copies that were found, and the most MiB that the process which listed them has held."""
    with running_bucket(keys) as made:
        tests = Path(__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, made.endpoint],
            env={"PYTHONPATH": str(tests), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
    count, kibibytes = done.stdout.split()
    return int(count), int(kibibytes) / 1024


def test_memory_follows_the_copies_and_not_the_objects() -> None:
    """Held whole, 24,000 objects more take 8 MiB more."""
    few, small = peak([*nightly(50), *rubbish(950)])
    many, large = peak([*nightly(50), *rubbish(24_950)])
    assert few == many == 50
    assert large - small < 4


# --- the endpoint itself -----------------------------------------------------------------------


def shape(answer: Any) -> Any:
    """Kinds and names of what an answer holds, without what differs from store to store."""
    if isinstance(answer, dict):
        return {name: shape(each) for name, each in answer.items()}
    if isinstance(answer, list):
        return [shape(each) for each in answer]
    return type(answer).__name__


def test_the_endpoint_answers_as_a_real_server(s3_server: Any) -> None:
    real_bucket = s3_server.bucket(versioned=True)
    client = s3_server.client()
    names = ["a b&<.dump", "n/2026/x.dump", "n/2026/y.dump", "n/2027/ü.dump", "z.txt"]
    for name in names:
        client.put_object(Bucket=real_bucket, Key=name, Body=BODY)
    client.delete_object(Bucket=real_bucket, Key="n/2026/y.dump")
    asked: list[tuple[str, dict[str, Any]]] = [
        ("list_object_versions", {}),
        ("list_object_versions", {"Prefix": "n/2026/"}),
        ("list_object_versions", {"Delimiter": "/"}),
        ("list_object_versions", {"Prefix": "n/", "Delimiter": "/"}),
        ("list_object_versions", {"Prefix": "none/"}),
        ("list_object_versions", {"MaxKeys": 2}),
        ("list_objects_v2", {}),
        ("list_objects_v2", {"Prefix": "n/", "Delimiter": "/"}),
    ]
    with running_bucket(names, frozenset({"n/2026/y.dump"})) as made:
        ours = reader(made)._connection.client
        for operation, more in asked:
            real = getattr(client, operation)(Bucket=real_bucket, **more)
            mine = getattr(ours, operation)(Bucket="backups", **more)
            for field in ("Versions", "DeleteMarkers", "Contents", "CommonPrefixes"):
                for one, other in zip(real.get(field, ()), mine.get(field, ()), strict=True):
                    assert [one.get(each) for each in ("Key", "Prefix", "IsLatest", "Size")] == [
                        other.get(each) for each in ("Key", "Prefix", "IsLatest", "Size")
                    ], (operation, more)
                    assert {name: shape(each) for name, each in one.items() if name in other} == {
                        name: shape(each) for name, each in other.items()
                    }
            assert real["IsTruncated"] == mine["IsTruncated"]


def test_a_real_server_is_narrowed_too(s3_server: Any, catalog_of: Any) -> None:
    bucket = s3_server.bucket(versioned=True)
    client = s3_server.client()
    day = DatedKeys(KEYS).at
    now = datetime.now(UTC)
    for back in range(40):
        client.put_object(Bucket=bucket, Key=day(now - timedelta(days=back)) + "a.dump", Body=BODY)
    client.put_object(Bucket=bucket, Key="old/a.dump", Body=BODY)
    hidden = day(now - timedelta(days=1)) + "a.dump"
    client.delete_object(Bucket=bucket, Key=hidden)
    catalog = catalog_of(catalog_of.s3(bucket, date_keys=KEYS))
    points, _ = signals_of(catalog.points("offsite"))
    assert len(points) == 15
    (found,) = [each for each in points if each.id == hidden]
    assert catalog.facts(found).hidden_by_delete_marker is True
    assert any("old/" in each for each in catalog.left_out("offsite"))
    assert catalog.widen("offsite")
    points, _ = signals_of(catalog.points("offsite"))
    assert len(points) == 41
    assert list(catalog.left_out("offsite")) == []
