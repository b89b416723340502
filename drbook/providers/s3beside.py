"""What lies in a bucket beside the keys that a runbook declares: a cheap look, and no list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from drbook.core.ports import Cancel
from drbook.core.values import plain
from drbook.providers.datedkeys import DatedKeys
from drbook.providers.s3client import STORE_ERRORS, S3Connection, explain
from drbook.providers.s3list import may_list_current, must_be_a_list

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NAMED = 10
"""Folders that are named; of the rest it is said how many they are."""


def beside(
    connection: S3Connection, keys: DatedKeys, now: datetime, cancel: Cancel
) -> tuple[str, ...]:
    """Folders and objects that `keys` does not explain, in words, at the place's prefix and at each
    folder on the way to the keys of now. One request for each of them, whatever it holds."""
    outside: list[str] = []
    loose: dict[str, int] = {}
    unseen: list[str] = []
    for folder in keys.folders(connection.place.prefix, now):
        cancel.raise_if_requested()
        try:
            page = _page(connection, folder)
        except STORE_ERRORS as error:
            unseen.append(f"{called(folder)} ({explain(error).reason})")
            continue
        names = [each["Prefix"] for each in page.get("CommonPrefixes", ())]
        outside += [name for name in names if not keys.explains(name)]
        stored = (
            *page.get("Versions", ()),
            *page.get("DeleteMarkers", ()),
            *page.get("Contents", ()),
        )
        here = {each["Key"] for each in stored if each["Key"] != folder}
        if strange := sum(not keys.explains(key) for key in here):
            loose[folder] = strange
        if page["IsTruncated"]:
            unseen.append(f"{called(folder)} (more than one page)")
    return tuple(_words(outside, loose, unseen))


def _page(connection: S3Connection, folder: str) -> Mapping[str, Any]:
    """The first page of a folder, with what only hidden versions are left of where that may be seen."""
    client: S3Client = connection.client
    ask: dict[str, Any] = {
        "Bucket": connection.place.bucket,
        "Prefix": folder,
        "Delimiter": "/",
        **connection.owner,
    }
    page: Mapping[str, Any]
    try:
        page = client.list_object_versions(**ask)
    except STORE_ERRORS as error:
        if not may_list_current(error):
            raise
        page = client.list_objects_v2(**ask)
    must_be_a_list(page)
    return page


def _words(
    outside: Sequence[str], loose: Mapping[str, int], unseen: Sequence[str]
) -> Sequence[str]:
    said: list[str] = []
    if outside:
        more = f" and {len(outside) - NAMED:,} more" if len(outside) > NAMED else ""
        said.append(
            "folders outside the declared keys: "
            + ", ".join(plain(name, 100) for name in outside[:NAMED])
            + more
        )
    if loose:
        counts = (f"{count:,} in {called(folder)}" for folder, count in loose.items())
        said.append("objects outside the declared keys: " + ", ".join(counts))
    if unseen:
        said.append("all that lies in " + ", ".join(unseen))
    return said


def called(folder: str) -> str:
    """A folder of a bucket, for people."""
    return plain(folder, 100) or "the bucket's root"
