"""Locks are tried on real stores: one that keeps them, and two that only say so."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support import lockliars
from support.s3 import admin_keys

from drbook.core.lockproofs import NAME, Attempt, LockPlan, LockProof, Outcome
from drbook.core.points import Answer
from drbook.providers import s3prove
from drbook.providers.hiding import Secret
from drbook.providers.s3config import S3Place
from drbook.providers.s3prove import place_of, plan, prepare, prove

NOW = datetime.now(UTC).replace(microsecond=0)


def place(endpoint: str, bucket: str, prefix: str = "nightly/", key: str = "env:k") -> S3Place:
    return S3Place(
        bucket=bucket, prefix=prefix, endpoint=endpoint, access_key=key, secret_key="env:s"
    )


def planned(store: S3Place, **more: Any) -> LockPlan:
    return plan(store, place_of("offsite", store), admin_keys, NOW, **more)


def proved(store: S3Place, wanted: LockPlan) -> LockProof:
    return prove(store, wanted, prepare(wanted, NOW), admin_keys, NOW)


def outcomes(proof: LockProof) -> dict[str, str]:
    return {each.name: each.outcome.value for each in proof.attempts}


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with lockliars.rclone(tmp_path_factory.mktemp("rclone")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with lockliars.moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


def locked_copy(client: Any, bucket: str, mode: str = "COMPLIANCE") -> None:
    until = NOW + timedelta(days=2)
    client.put_object(
        Bucket=bucket,
        Key="nightly/a.dump",
        Body=b"1",
        ObjectLockMode=mode,
        ObjectLockRetainUntilDate=until,
        ChecksumAlgorithm="SHA256",
    )


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_a_store_that_keeps_its_locks_is_proved(mode: str, s3_server: Any) -> None:
    bucket = s3_server.bucket(locked=True)
    locked_copy(s3_server.client(), bucket, mode)
    store = place(s3_server.endpoint, bucket)
    wanted = planned(store)
    assert (wanted.mode, wanted.by_default, wanted.until) == (mode, False, NOW + timedelta(days=1))
    proof = proved(store, wanted)
    found = outcomes(proof)
    # Whoever may lift a governance lock does so: that is the credential's power, and no lie of the store.
    assert found.pop("bypass") == ("refused" if mode == "COMPLIANCE" else "allowed")
    assert set(found.values()) == {"refused"}
    assert proof.lifted is (mode == "GOVERNANCE")
    assert proof.answer is Answer.PASS
    versions = s3_server.client().list_object_versions(Bucket=bucket)["Versions"]
    assert [each["Key"] for each in versions if NAME not in each["Key"]] == ["nightly/a.dump"]


def test_the_buckets_own_default_is_what_is_tried(s3_server: Any) -> None:
    bucket = s3_server.bucket(locked=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3}}
    s3_server.client().put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    store = place(s3_server.endpoint, bucket, prefix="nightly")
    wanted = planned(store)
    assert (wanted.mode, wanted.by_default, wanted.until) == (
        "COMPLIANCE",
        True,
        NOW + timedelta(days=3),
    )
    assert "COMPLIANCE mode (the bucket's own default)" in wanted.show()
    proof = proved(store, wanted)
    assert proof.answer is Answer.PASS
    assert proof.until is not None
    assert abs(proof.until - NOW - timedelta(days=3)) < timedelta(hours=1)
    assert proof.key.startswith(f"nightly/{NAME}")
    body = s3_server.client().get_object(Bucket=bucket, Key=proof.key, VersionId=proof.version)
    assert b"holds no data" in body["Body"].read()


def test_a_store_that_repeats_headers_is_found_out(rclone: str) -> None:
    client = lockliars.client(rclone)
    client.create_bucket(Bucket="liar")
    locked_copy(client, "liar")
    store = place(rclone, "liar")
    wanted = planned(store)
    assert wanted.mode == "COMPLIANCE"
    proof = proved(store, wanted)
    assert proof.answer is Answer.FAIL
    # It knows no retention: what was to be the new one was written over the object.
    assert proof.got(Outcome.ALLOWED) == ["shorten"]
    assert client.get_object(Bucket="liar", Key="nightly/a.dump")["Body"].read() == b"1"


def test_every_other_attempt_finds_it_out_too(rclone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = lockliars.client(rclone)
    client.create_bucket(Bucket="second")
    locked_copy(client, "second")
    store = place(rclone, "second")
    skipped = Attempt(name="-", outcome=Outcome.REFUSED, said="")
    monkeypatch.setattr(s3prove.Prover, "_retain", lambda *_: skipped)
    proof = proved(store, planned(store))
    assert proof.answer is Answer.FAIL
    assert proof.got(Outcome.ALLOWED) == ["overwrite", "hide"]
    assert "gone" in proof.left


def test_a_store_that_takes_shortening_is_found_out(moto: str) -> None:
    client = lockliars.client(moto)
    client.create_bucket(Bucket="liar", ObjectLockEnabledForBucket=True)
    locked_copy(client, "liar")
    store = place(moto, "liar")
    proof = proved(store, planned(store))
    assert proof.answer is Answer.FAIL
    assert {"shorten", "lower", "bypass"} <= set(proof.got(Outcome.ALLOWED))
    assert "delete" in proof.got(Outcome.REFUSED)
    (kept,) = [
        each
        for each in client.list_object_versions(Bucket="liar")["Versions"]
        if NAME not in each["Key"]
    ]
    assert kept["Key"] == "nightly/a.dump"


def test_nothing_is_tried_where_nothing_is_locked(s3_server: Any) -> None:
    wanted = planned(place(s3_server.endpoint, s3_server.bucket(versioned=True)))
    assert wanted.mode is None
    assert not wanted.unknown
    assert "no Object Lock is on" in wanted.why


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", None])
def test_a_store_that_does_not_answer_is_unknown(endpoint: str | None, s3_server: Any) -> None:
    bucket = "no-such-bucket-here"
    wanted = planned(place(endpoint or s3_server.endpoint, bucket))
    assert wanted.unknown
    assert wanted.mode is None


def test_a_credential_that_may_not_write_proves_nothing(s3_server: Any) -> None:
    bucket = s3_server.bucket(locked=True)
    store = place(s3_server.endpoint, bucket)
    wanted = planned(store)

    def reader(reference: str) -> Any:
        return Secret({"env:k": "reader", "env:s": "reader-secret"}[reference])

    proof = prove(store, wanted, prepare(wanted, NOW), reader, NOW)
    assert proof.answer is Answer.UNKNOWN
    assert "access is denied" in proof.why
    assert proof.attempts == ()
    assert "Versions" not in s3_server.client().list_object_versions(Bucket=bucket)


def test_what_somebody_else_put_under_its_name_is_left_alone(
    s3_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3_server.bucket(locked=True)
    store = place(s3_server.endpoint, bucket)
    wanted = planned(store)
    monkeypatch.setattr(s3prove.Prover, "_read", lambda self: b"somebody else's")
    proof = proved(store, wanted)
    assert proof.answer is Answer.UNKNOWN
    assert "not what was written" in proof.why
    assert proof.attempts == ()
    (one,) = s3_server.client().list_object_versions(Bucket=bucket)["Versions"]
    assert one["IsLatest"]
