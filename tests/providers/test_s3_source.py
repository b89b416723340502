"""S3 sources against a real server: what is listed, what is known of it, and what failures say."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.errors import CouldNotVerify
from drbook.core.points import PointFacts, RecoveryPoint, SourceConfig

DUMP = b"PGDMP\x01\x10" + bytes(range(256)) * 8


def manifest(data: bytes, at: str = "2026-01-02T03:04:05Z", **more: object) -> bytes:
    fields: dict[str, object] = {"name": "x", "size": len(data), "taken_at": at}
    fields["sha256"] = hashlib.sha256(data).hexdigest()
    return json.dumps(fields | more).encode()


def points_of(catalog: Any, drain: Callable[..., Any]) -> list[RecoveryPoint]:
    return list(drain(catalog.points("offsite"))[0])


def test_only_dumps_are_points(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    names = ["nightly/a.dump", "nightly/b.sql.gz", "nightly/c.dir.tar", "odd name ü\u202e.backup"]
    for name in [
        *names,
        "readme.txt",
        "nightly/",
        "nightly/a.dump.manifest.json",
        "x.manifest.json",
    ]:
        client.put_object(Bucket=bucket, Key=name, Body=DUMP)
    client.put_object(Bucket=bucket, Key="bare", Body=DUMP)
    client.put_object(Bucket=bucket, Key="bare.manifest.json", Body=manifest(DUMP))
    found = points_of(catalog_of(bucket), drain)
    assert sorted(point.id for point in found) == sorted([*names, "bare"])
    assert all("\u202e" not in point.location for point in found)
    narrow = points_of(catalog_of(catalog_of.s3(bucket, prefix="nightly/")), drain)
    assert sorted(point.id for point in narrow) == names[:3]


def test_an_empty_bucket_is_an_answer(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    catalog = catalog_of(s3_server.bucket())
    assert points_of(catalog, drain) == []
    assert catalog.survey("offsite").reachable


def test_pages_are_followed_to_the_end(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket(versioned=True)
    client = s3_server.client()
    for number in range(45):
        client.put_object(Bucket=bucket, Key=f"d{number % 23:02}.dump", Body=DUMP)
    catalog = catalog_of(bucket)
    source = catalog._open("offsite")._source

    def small(params: dict[str, Any], **_: object) -> None:
        params["MaxKeys"] = 7

    source._connection.client.meta.events.register(
        "provide-client-params.s3.ListObjectVersions", small
    )
    found, signals = drain(catalog.points("offsite"))
    assert len(found) == 45
    assert len({point.key for point in found}) == 45
    assert len(signals) > 5


def test_the_manifest_says_when_and_what(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="20260101T000000Z.dump", Body=DUMP)
    client.put_object(Bucket=bucket, Key="20260101T000000Z.dump.manifest.json", Body=manifest(DUMP))
    catalog = catalog_of(bucket)
    (point,) = points_of(catalog, drain)
    assert point.taken_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert point.taken_by == "manifest"
    assert "stored" in point.taken_note
    assert (point.digest, point.digest_by) == (hashlib.sha256(DUMP).hexdigest(), "manifest")
    held = catalog.manifest(point)
    assert held is not None
    assert held.size == len(DUMP)


def test_the_name_then_the_store_say_when(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    for name in ("rental-20260102T030405Z.dump", "rental.dump", "rental-20990101T000000Z.dump"):
        client.put_object(Bucket=bucket, Key=name, Body=DUMP)
    found = {point.id: point for point in points_of(catalog_of(bucket), drain)}
    named = found["rental-20260102T030405Z.dump"]
    assert (named.taken_by, named.taken_at.isoformat()) == ("name", "2026-01-02T03:04:05+00:00")
    assert found["rental.dump"].taken_by == "store"
    future = found["rental-20990101T000000Z.dump"]
    assert future.taken_by == "store"
    assert "2099" in future.taken_note


def test_a_broken_manifest_is_said_and_not_believed(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="a.dump", Body=DUMP)
    client.put_object(Bucket=bucket, Key="a.dump.manifest.json", Body=b'{"name": "\x1b[31m"')
    catalog = catalog_of(bucket)
    (point,) = points_of(catalog, drain)
    assert point.taken_by == "store"
    assert point.digest is None
    assert "manifest" in point.taken_note
    with pytest.raises(CouldNotVerify) as caught:
        catalog.manifest(point)
    assert caught.value.code == "manifest"
    assert "\x1b" not in caught.value.explain()
    assert catalog.facts(point).bytes.state == "unknown"


def test_only_the_newest_manifests_are_read_while_listing(
    s3_server: Any, catalog_of: Any, drain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drbook.providers.s3source.MANIFESTS_READ", 2)
    bucket = s3_server.bucket()
    client = s3_server.client()
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"{number}.dump", Body=DUMP)
        client.put_object(Bucket=bucket, Key=f"{number}.dump.manifest.json", Body=manifest(DUMP))
    catalog = catalog_of(bucket)
    found = points_of(catalog, drain)
    unread = [point for point in found if point.taken_by == "store"]
    assert len(unread) == 1
    assert "was not read" in unread[0].taken_note
    assert catalog.manifest(unread[0]) is not None


# --- versions, markers, locks ------------------------------------------------------------------


def test_versions_and_delete_markers(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket(versioned=True)
    client = s3_server.client()
    old = client.put_object(Bucket=bucket, Key="a.dump", Body=DUMP)["VersionId"]
    new = client.put_object(Bucket=bucket, Key="a.dump", Body=DUMP + b"2")["VersionId"]
    client.put_object(Bucket=bucket, Key="b.dump", Body=DUMP)
    client.delete_object(Bucket=bucket, Key="a.dump")
    catalog = catalog_of(bucket)
    found = points_of(catalog, drain)
    assert {point.version for point in found if point.id == "a.dump"} == {old, new}
    hidden = {point.key: catalog.facts(point) for point in found}
    assert [hidden[f"offsite:a.dump@{each}"].hidden_by_delete_marker for each in (old, new)] == [
        True,
        True,
    ]
    assert all(facts.still_there for facts in hidden.values())
    (visible,) = [point for point in found if point.id == "b.dump"]
    assert hidden[visible.key].hidden_by_delete_marker is False
    fresh = catalog_of(bucket)
    assert fresh.facts(visible).hidden_by_delete_marker is False
    client.delete_object(Bucket=bucket, Key="b.dump")
    assert catalog_of(bucket).facts(visible).hidden_by_delete_marker is True
    client.delete_object(Bucket=bucket, Key="b.dump", VersionId=visible.version)
    gone = catalog_of(bucket).facts(visible)
    assert gone.still_there is False
    assert gone.bytes.state == "unknown"


def test_an_unversioned_bucket_pins_nothing(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket()
    s3_server.client().put_object(Bucket=bucket, Key="a.dump", Body=DUMP)
    catalog = catalog_of(bucket)
    (point,) = points_of(catalog, drain)
    assert point.version is None
    assert catalog.survey("offsite").versioned.value is False
    assert catalog.facts(point).lock.mode is None
    assert catalog.facts(point).lock.why_unknown == ""


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_locks_are_read_per_version(mode: Any, s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket(locked=True)
    client = s3_server.client()
    until = (datetime.now(UTC) + timedelta(seconds=5)).replace(microsecond=0)
    client.put_object(Bucket=bucket, Key="bare.dump", Body=DUMP)
    client.put_object(Bucket=bucket, Key="kept.dump", Body=DUMP)
    client.put_object_retention(
        Bucket=bucket, Key="kept.dump", Retention={"Mode": mode, "RetainUntilDate": until}
    )
    client.put_object(Bucket=bucket, Key="held.dump", Body=DUMP)
    client.put_object_legal_hold(Bucket=bucket, Key="held.dump", LegalHold={"Status": "ON"})
    catalog = catalog_of(bucket)
    facts = {point.id: catalog.facts(point) for point in points_of(catalog, drain)}
    kept, bare, held = (facts[name].lock for name in ("kept.dump", "bare.dump", "held.dump"))
    assert (kept.mode, kept.until, kept.why_unknown) == (mode, until, "")
    assert (bare.mode, bare.until, bare.legal_hold, bare.why_unknown) == (None, None, False, "")
    assert held.legal_hold
    assert catalog.survey("offsite").lock_default.value is True
    client.put_object_legal_hold(Bucket=bucket, Key="held.dump", LegalHold={"Status": "OFF"})


def test_what_a_reader_may_not_ask_is_unknown(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket(locked=True)
    s3_server.client().put_object(Bucket=bucket, Key="a.dump", Body=DUMP)
    catalog = catalog_of(bucket, identity="reader")
    facts = catalog.survey("offsite")
    assert facts.reachable
    assert not facts.lock_default.known
    assert "denied" in facts.lock_default.why
    (point,) = points_of(catalog, drain)
    lock = catalog.facts(point).lock
    assert lock.mode is None
    assert "denied" in lock.why_unknown


def test_the_survey_of_a_bucket(s3_server: Any, catalog_of: Any) -> None:
    bucket = s3_server.bucket(versioned=True)
    facts = catalog_of(bucket).survey("offsite")
    assert facts.resource == bucket
    assert not facts.account.known
    assert facts.versioned.value is True
    assert facts.lock_default.value is False
    assert facts.deletes_replicated.value is False
    assert (facts.expires_after_days.known, facts.expires_after_days.value) == (True, None)
    assert facts.policy_limits_deletes.value is False


# --- bytes, quickly ----------------------------------------------------------------------------


def quick(catalog: Any, drain: Any) -> dict[str, PointFacts]:
    return {point.id: catalog.facts(point) for point in points_of(catalog, drain)}


def test_quick_looks_find_damage_without_downloading(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    bodies = {
        "empty.dump": b"",
        "text.dump": b"<html>\x1b[31mAccess denied</html>",
        "short.dump": DUMP[:-10],
        "good.dump": DUMP,
        "plain.sql": b"--\n-- PostgreSQL database dump\n--\n",
        "packed.sql.gz": b"\x1f\x8b\x08rest",
    }
    for name, body in bodies.items():
        client.put_object(Bucket=bucket, Key=name, Body=body)
    for name in ("short.dump", "good.dump"):
        client.put_object(Bucket=bucket, Key=f"{name}.manifest.json", Body=manifest(DUMP))
    found = {name: facts.bytes for name, facts in quick(catalog_of(bucket), drain).items()}
    assert {name: fact.state for name, fact in found.items()} == {
        "empty.dump": "damaged",
        "text.dump": "damaged",
        "short.dump": "damaged",
        "good.dump": "unread",
        "plain.sql": "unread",
        "packed.sql.gz": "unread",
    }
    assert "cut short" in found["short.dump"].reason
    assert "\x1b" not in found["text.dump"].reason


# --- failures ----------------------------------------------------------------------------------

_FAILURES: list[tuple[str, dict[str, object], str]] = [
    ("no such bucket", {"bucket": "there-is-none"}, "no such bucket"),
    ("unknown key", {"access_key": "env:nobody"}, "access key does not exist"),
    ("wrong secret", {"secret_key": "env:wrong"}, "secret key is wrong"),
    (
        "other identity",
        {"access_key": "env:stranger", "secret_key": "env:stranger_secret"},
        "denied",
    ),
    ("endpoint down", {"endpoint": "http://127.0.0.1:9"}, "does not answer"),
    ("not an S3 server", {"endpoint": "https://127.0.0.1:{port}"}, ""),
    ("variable not set", {"secret_key": "env:MISSING_KEY"}, "env:MISSING_KEY"),
    ("no such profile", {"access_key": None, "secret_key": None, "profile": "none"}, "profile"),
]


@pytest.mark.parametrize(("_name", "change", "words"), _FAILURES, ids=[row[0] for row in _FAILURES])
def test_failures_say_what_is_wrong(
    _name: str, change: dict[str, object], words: str, s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = s3_server.bucket()
    shown = {
        name: value.format(port=s3_server.port) if isinstance(value, str) else value
        for name, value in change.items()
    }
    catalog = catalog_of(catalog_of.s3(**({"bucket": bucket} | shown)))
    facts = catalog.survey("offsite")
    assert facts.reachable is False
    assert words in facts.why_unreachable
    assert len(facts.why_unreachable) > 20
    with pytest.raises(CouldNotVerify) as caught:
        drain(catalog.points("offsite"))
    assert words in caught.value.what
    assert caught.value.code == "list-failed"
    assert caught.value.next
    assert "admin-secret" not in caught.value.explain() + facts.why_unreachable


def test_expired_credentials(s3_server: Any, catalog_of: Any) -> None:
    from botocore.exceptions import ClientError

    from drbook.providers.s3client import explain

    error = ClientError(
        {"Error": {"Code": "ExpiredToken", "Message": "\x1b]0;x"}, "ResponseMetadata": {}},  # type: ignore[typeddict-item]
        "ListObjectsV2",
    )
    assert "expired" in explain(error).reason
    assert not explain(error).again


def test_an_unnamed_source_is_a_mistake_of_the_caller(catalog_of: Any) -> None:
    from drbook.core.errors import UsageError

    for config in ("none", SourceConfig(id="bare", kind="nothing")):
        catalog = catalog_of(*([config] if isinstance(config, SourceConfig) else []))
        with pytest.raises(UsageError):
            catalog.survey("bare" if isinstance(config, SourceConfig) else config)
