"""Copies in an archive tier: listed, judged, never chosen, with the request that brings them back. The store is
moto, which keeps tiers and requests for objects in them; a real archive tier cannot be had here."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.aws import ENVIRONMENT, REGION, moto, operator

from drbook.core.errors import StepFailed
from drbook.core.points import PointFacts, RecoveryPoint
from drbook.core.signals import finish
from drbook.providers.s3cold import TIERS, cold
from drbook.providers.s3config import S3Place
from drbook.providers.sources.s3 import S3Source
from drbook.testing.sources import opening

DUMP = b"PGDMP" + b"x" * 1000
PLACE = S3Place.model_validate({"bucket": "nightly"})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as address:
        s3 = operator(address, "s3")
        s3.create_bucket(Bucket="nightly", CreateBucketConfiguration={"LocationConstraint": REGION})
        for day, tier in ((1, "STANDARD"), (2, "GLACIER"), (3, "DEEP_ARCHIVE"), (4, "GLACIER_IR")):
            key = f"rental-2026-04-0{day}T03-00-00Z.dump"
            s3.put_object(Bucket="nightly", Key=key, Body=DUMP, StorageClass=tier)
        yield address


def facts_of(endpoint: str) -> dict[int, tuple[PointFacts, Any]]:
    config = S3Source.model_validate(
        {
            "id": "cold", "bucket": "nightly", "endpoint": endpoint, "region": REGION,
            "access_key": "env:KEY", "secret_key": "env:SECRET",
        }
    )  # fmt: skip
    source = config.open(opening(ENVIRONMENT))
    points: list[RecoveryPoint] = list(finish(source.points()))
    return {point.taken_at.day: (source.facts(point), source) for point in points}


def test_what_cannot_be_read_yet_is_told_with_its_request(endpoint: str) -> None:
    found = {day: facts for day, (facts, _) in facts_of(endpoint).items()}
    assert {day: facts.readable_in for day, facts in found.items()} == {
        1: None, 2: 5 * 3600, 3: 12 * 3600, 4: None,
    }  # fmt: skip
    assert found[1].recoverable is None
    assert found[4].recoverable is None
    assert found[1].bytes.state != "unknown"
    way = found[3].recoverable or ""
    assert way.startswith("it lies in DEEP_ARCHIVE and can be read within 12 h of this: aws s3api ")
    assert "--key rental-2026-04-03T03-00-00Z.dump" in way
    assert (
        """--restore-request '{"Days": 7, "GlacierJobParameters": {"Tier": "Standard"}}'""" in way
    )


def test_it_is_what_the_store_says_when_it_is_read_anyway(endpoint: str) -> None:
    facts, source = facts_of(endpoint)[3]
    ((_, blob),) = source.files(facts.point)
    with pytest.raises(StepFailed, match="archive tier"), blob.read(0) as chunks:
        b"".join(chunks)


def test_it_is_a_copy_like_any_other_once_it_was_given(endpoint: str) -> None:
    key = "rental-2026-04-02T03-00-00Z.dump"
    wanted = {"Days": 7, "GlacierJobParameters": {"Tier": "Standard"}}
    operator(endpoint, "s3").restore_object(Bucket="nightly", Key=key, RestoreRequest=wanted)
    facts, _ = facts_of(endpoint)[2]
    assert (facts.recoverable, facts.readable_in) == (None, None)
    assert facts.bytes.state != "unknown"


@pytest.mark.parametrize(
    ("head", "tier", "asked"),
    [
        ({}, None, False),
        ({"StorageClass": "STANDARD_IA"}, None, False),
        ({"StorageClass": "GLACIER_IR"}, None, False),
        ({"StorageClass": "GLACIER"}, "GLACIER", False),
        (
            {"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'},
            "DEEP_ARCHIVE",
            True,
        ),
        (
            {
                "StorageClass": "GLACIER",
                "Restore": 'ongoing-request="false", expiry-date="Fri, 24 Apr 2026 00:00:00 GMT"',
            },
            None,
            False,
        ),
        ({"StorageClass": "GLACIER", "Restore": "nonsense"}, "GLACIER", False),
        ({"StorageClass": "INTELLIGENT_TIERING"}, None, False),
        (
            {"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"},
            "DEEP_ARCHIVE_ACCESS",
            False,
        ),
    ],
)
def test_what_a_head_says(head: dict[str, str], tier: str | None, asked: bool) -> None:
    found = cold(head)
    assert (None if found is None else found.tier) == (None if tier is None else TIERS[tier])
    assert found is None or found.asked is asked


def test_a_request_of_intelligent_tiering_names_no_days_and_an_odd_key_no_command() -> None:
    found = cold({"ArchiveStatus": "ARCHIVE_ACCESS"})
    assert found is not None
    assert '"Days"' not in found.way(PLACE, "a.dump", None)
    assert "--version-id v1" in found.way(PLACE, "a.dump", "v1")
    assert "s3api restore-object`" in found.way(PLACE, "a\x1b[2J.dump", None)
    asked = cold({"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'})
    assert asked is not None
    assert asked.way(PLACE, "a.dump", None).startswith(
        "it lies in GLACIER and was asked for already"
    )
