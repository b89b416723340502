"""Every kind of mirror: created once, never changed; what fails is said, what is hostile is bounded."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.mirrors import INCIDENT, Recorded, bucket_mirror

from drbook.core.errors import Refused
from drbook.mirror.chain import read_copy
from drbook.mirror.compare import Verdict, compare
from drbook.mirror.config import DirectoryMirror
from drbook.mirror.dirplace import DirectoryPlace
from drbook.mirror.fence import keeps_conditions
from drbook.mirror.place import MirrorConflict, MirrorDown, Place, Stored, record_name
from drbook.mirror.s3place import S3MirrorPlace
from drbook.providers.hiding import Secret

if TYPE_CHECKING:
    from conftest import Bucket  # type: ignore[import-not-found]
    from support.s3 import S3Server

Opened = Callable[[str], Place]


# --- what every kind promises ---------------------------------------------------------------------


def test_what_is_created_is_there_and_is_never_changed(place_of: Opened) -> None:
    place = place_of(INCIDENT)
    assert place.listed("records/") == []
    assert place.create("records/00000001.jsonl", b"one\n")
    assert not place.create("records/00000001.jsonl", b"one\n")
    with pytest.raises(MirrorConflict) as caught:
        place.create("records/00000001.jsonl", b"two\n")
    assert caught.value.theirs == b"one\n"
    assert place.create("runbook.yaml", b"r")
    (stored,) = place.listed("records/")
    assert (stored.name, stored.size, stored.remark) == ("records/00000001.jsonl", 4, "")
    assert place.read(stored) == b"one\n"
    assert len(place.read(stored, 2)) == 3  # no more than is needed to see that it is too much
    assert keeps_conditions(place)
    assert keeps_conditions(place)


def test_incidents_are_apart_and_can_be_listed(place_of: Opened) -> None:
    other = INCIDENT.replace("7f3a", "8888")
    for incident in (INCIDENT, other):
        place_of(incident).create("records/00000001.jsonl", incident.encode())
    (stored,) = place_of(other).listed("records/")
    assert place_of(other).read(stored) == other.encode()


def test_what_is_not_there_is_not_empty(place_of: Opened) -> None:
    with pytest.raises(MirrorDown):
        place_of(INCIDENT).read(Stored("records/00000009.jsonl", 1))


def test_a_whole_incident_is_the_same_bytes(place_of: Opened, recorded: Recorded) -> None:
    place = place_of(INCIDENT)
    state = recorded.mirror_to(place)
    assert (state.records, state.behind, state.error) == (5, 0, "")
    names = [stored.name for stored in place.listed("records/")]
    assert names == [record_name(seq) for seq in range(1, 6)]
    assert [place.read(stored) for stored in place.listed("records/")] == recorded.lines
    assert place.read(Stored("runbook.yaml", 0)) == (recorded.folder / "runbook.yaml").read_bytes()
    found = compare(recorded.digests, read_copy(place))
    assert found.verdict is Verdict.SAME


# --- hostile content ------------------------------------------------------------------------------


def test_hostile_names_and_bytes_are_found(place_of: Opened, recorded: Recorded) -> None:
    place = place_of(INCIDENT)
    lines = recorded.lines
    place.create(record_name(1), lines[0])
    place.create(record_name(2), lines[2])  # another number's record
    place.create(record_name(3), lines[2] + lines[3])  # two lines
    place.create(record_name(4), b"\x1b[2J{}\n")
    place.create(record_name(5), lines[4][:-1])  # no line end
    place.create("records/latest", b"x")
    place.create("records/00000000.jsonl", b"x")
    place.create("records/٠٠٠٠٠٠٠٦.jsonl", b"x")
    copy = read_copy(place)
    assert [bool(line.problem) for line in copy.lines] == [False, True, True, True, True]
    assert "\x1b" not in " ".join(line.problem for line in copy.lines)
    assert copy.incident == INCIDENT
    assert len(copy.remarks) == 3
    assert compare(recorded.digests, copy).verdict is Verdict.MIRROR_DAMAGED


def test_a_huge_object_is_not_read(
    place_of: Opened, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(INCIDENT)
    recorded.mirror_to(place)
    monkeypatch.setattr("drbook.mirror.chain.MAX_OBJECT", 200)
    copy = read_copy(place)
    assert "larger than any record" in copy.lines[0].problem  # the first is longer, the notes too
    monkeypatch.setattr("drbook.mirror.chain.MAX_TOTAL", 300)
    with pytest.raises(MirrorDown, match="more than any incident writes"):
        read_copy(place)


# --- a directory ----------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "share"
    made.mkdir()
    return made


def test_files_are_private_and_drafts_go(root: Path, recorded: Recorded) -> None:
    recorded.mirror_to(DirectoryPlace(root, INCIDENT))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
    assert not [path for path in root.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("where", [INCIDENT, f"{INCIDENT}/records"])
def test_no_link_is_followed(root: Path, tmp_path: Path, where: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / where).parent.mkdir(exist_ok=True)
    (root / where).symlink_to(elsewhere)
    place = DirectoryPlace(root, INCIDENT)
    with pytest.raises(MirrorDown):
        place.create(record_name(1), b"x")
    with pytest.raises(MirrorDown):
        place.listed("records/")
    assert list(elsewhere.iterdir()) == []


def test_a_link_or_a_pipe_in_place_of_a_record_is_not_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    records = root / INCIDENT / "records"
    records.mkdir(parents=True)
    (records / "00000001.jsonl").symlink_to(tmp_path / "secret")
    os.mkfifo(records / "00000002.jsonl")
    place = DirectoryPlace(root, INCIDENT)
    for stored in place.listed("records/"):
        with pytest.raises(MirrorDown):
            place.read(stored)
        with pytest.raises(MirrorDown):
            place.create(stored.name, b"x")


def test_a_share_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    place = DirectoryPlace(tmp_path / "share", INCIDENT)
    for use in (lambda: place.create(record_name(1), b"x"), lambda: place.listed("records/")):
        with pytest.raises(MirrorDown, match="does not exist") as caught:
            use()
        assert "mounted" in caught.value.next
    assert not (tmp_path / "share").exists()


def test_a_full_disk_leaves_no_half_record(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = DirectoryPlace(root, INCIDENT)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("drbook.mirror.dirplace.os.fsync", full)
        with pytest.raises(MirrorDown, match="No space left"):
            place.create(record_name(1), b"x")
    assert not [path for path in root.rglob("*") if path.is_file()]
    assert place.create(record_name(1), b"x")


def test_the_bytes_are_on_disk_before_the_name_and_the_name_before_the_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DirectoryPlace(root, INCIDENT)
    place.create(record_name(1), b"x")
    synced: list[tuple[bool, bool]] = []
    name = root / INCIDENT / record_name(2)

    def sync(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), name.exists()))

    monkeypatch.setattr("drbook.mirror.dirplace.os.fsync", sync)
    place.create(record_name(2), b"x")
    assert synced == [(False, False), (True, True)]


def test_a_path_must_be_whole() -> None:
    with pytest.raises(ValueError, match="pattern"):
        DirectoryMirror(path="share")


# --- a bucket -------------------------------------------------------------------------------------


def test_records_are_locked_for_as_long_as_was_asked(
    bucket_of: Callable[..., "Bucket"], recorded: Recorded
) -> None:
    bucket = bucket_of(locked=True, retain="2d")
    assert recorded.mirror_to(bucket.open(INCIDENT)).note == ""
    for key in [key for key in bucket.names() if not key.endswith("/conditional")]:
        kept = bucket.client.get_object_retention(Bucket=bucket.name, Key=key)["Retention"]
        assert kept["Mode"] == "COMPLIANCE"
        left = kept["RetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=1, hours=23) < left <= timedelta(days=2)


def test_a_bucket_without_locks_is_said(
    bucket_of: Callable[..., "Bucket"], recorded: Recorded
) -> None:
    state = recorded.mirror_to(bucket_of(retain="2d").open(INCIDENT))
    assert state.behind == 0
    assert "no Object Lock" in state.note


@pytest.mark.parametrize("kind", ["versioned", "locked"])
def test_what_was_hidden_or_overwritten_later_is_read_as_it_was_written(
    kind: str, bucket_of: Callable[..., "Bucket"], recorded: Recorded
) -> None:
    bucket = bucket_of(**{kind: True})
    place = bucket.open(INCIDENT)
    recorded.mirror_to(place)
    key = f"record/{INCIDENT}/"
    bucket.client.delete_object(Bucket=bucket.name, Key=key + record_name(2))
    bucket.client.put_object(Bucket=bucket.name, Key=key + record_name(3), Body=b"{}\n")
    copy = read_copy(place)
    assert compare(recorded.digests, copy).verdict is Verdict.SAME
    assert copy.remarks == (
        "records/00000002.jsonl was hidden by a delete marker",
        "records/00000003.jsonl was written 2 times",
    )


def test_a_store_without_versions_or_the_right_to_see_them_is_listed_plainly(
    bucket_of: Callable[..., "Bucket"], recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    bucket = bucket_of()
    place = bucket.open(INCIDENT)
    recorded.mirror_to(place)
    answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}

    def denied(self: S3MirrorPlace, folder: str) -> Any:
        raise ClientError(answer, "ListObjectVersions")  # type: ignore[arg-type]

    monkeypatch.setattr(S3MirrorPlace, "_versions", denied)
    assert compare(recorded.digests, read_copy(bucket.open(INCIDENT))).verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"endpoint": "http://127.0.0.1:9"}, "does not answer"),
        ({"bucket": "no-such-bucket"}, "no such bucket"),
        ({"secret_key": "env:key"}, "the secret key is wrong"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_down(
    change: dict[str, str], says: str, bucket_of: Callable[..., "Bucket"]
) -> None:
    bucket = bucket_of(**change)
    place = bucket.open(INCIDENT)
    for use in (lambda: place.create(record_name(1), b"x"), lambda: place.listed("records/")):
        with pytest.raises(MirrorDown) as caught:
            use()
        assert says in caught.value.what
        assert caught.value.next


def test_a_right_that_was_lost_is_down(s3_server: "S3Server") -> None:
    name = s3_server.bucket("mirror")
    config = bucket_mirror(s3_server, name, access_key="env:r", secret_key="env:s")
    values = {"env:r": Secret("reader"), "env:s": Secret("reader-secret")}
    place = config.open(INCIDENT, values.__getitem__)
    with pytest.raises(MirrorDown, match="denied"):
        place.create(record_name(1), b"x")


# --- the guard's named exception ------------------------------------------------------------------

PUTS: dict[str, dict[str, Any]] = {
    "another incident": {"Key": "record/another/records/00000001.jsonl", "IfNoneMatch": "*"},
    "another prefix": {"Key": "nightly/x", "IfNoneMatch": "*"},
    "a prefix that begins alike": {"Key": f"record/{INCIDENT}-2/x", "IfNoneMatch": "*"},
    "another bucket": {"Bucket": "another-bucket", "Key": f"record/{INCIDENT}/x", "IfNoneMatch": "*"},
    "over what is there": {"Key": f"record/{INCIDENT}/records/00000001.jsonl"},
    "made public": {"Key": f"record/{INCIDENT}/x", "IfNoneMatch": "*", "ACL": "public-read"},
    "a legal hold": {
        "Key": f"record/{INCIDENT}/x", "IfNoneMatch": "*", "ObjectLockLegalHoldStatus": "ON",
    },
}  # fmt: skip

CALLS: dict[str, Callable[[Any, str, str], Any]] = {
    "delete": lambda c, b, k: c.delete_object(Bucket=b, Key=k),
    "delete a version": lambda c, b, k: c.delete_object(Bucket=b, Key=k, VersionId="null"),
    "delete many": lambda c, b, k: c.delete_objects(Bucket=b, Delete={"Objects": [{"Key": k}]}),
    "copy over": lambda c, b, k: c.copy_object(Bucket=b, Key=k, CopySource=f"{b}/{k}"),
    "multipart": lambda c, b, k: c.create_multipart_upload(Bucket=b, Key=k),
    "shorten a lock": lambda c, b, k: c.put_object_retention(
        Bucket=b,
        Key=k,
        BypassGovernanceRetention=True,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC)},
    ),
    "lifecycle": lambda c, b, k: c.put_bucket_lifecycle_configuration(
        Bucket=b, LifecycleConfiguration={"Rules": []}
    ),
    "the bucket": lambda c, b, k: c.delete_bucket(Bucket=b),
    "a signed address": lambda c, b, k: c.generate_presigned_url(
        "put_object", Params={"Bucket": b, "Key": k}
    ),
}


@pytest.fixture
def written(bucket_of: Callable[..., "Bucket"]) -> tuple["Bucket", Any]:
    bucket = bucket_of()
    place = bucket.open(INCIDENT)
    assert isinstance(place, S3MirrorPlace)
    place.create(record_name(1), b"1")
    return bucket, place._connection.client


@pytest.mark.parametrize("put", PUTS)
def test_the_mirror_creates_in_its_own_place_only(put: str, written: tuple["Bucket", Any]) -> None:
    bucket, client = written
    before = bucket.names()
    with pytest.raises(Refused) as caught:
        client.put_object(**({"Bucket": bucket.name, "Body": b"2"} | PUTS[put]))
    assert caught.value.code == "guard-s3"
    assert bucket.names() == before


@pytest.mark.parametrize("call", CALLS)
def test_the_mirror_cannot_delete(call: str, written: tuple["Bucket", Any]) -> None:
    bucket, client = written
    with pytest.raises(Refused):
        CALLS[call](client, bucket.name, f"record/{INCIDENT}/{record_name(1)}")
    found = bucket.client.get_object(Bucket=bucket.name, Key=bucket.names()[0])
    assert found["Body"].read() == b"1"
