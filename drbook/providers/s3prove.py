"""Trying a lock: one tiny object of drbook's own, and everything that the lock has to prevent.

Before each attempt the very version is read and must hold the nonce; after it, the store is asked what it
holds now. An answer alone proves nothing in either direction.
"""

from __future__ import annotations

import base64
import hashlib
import secrets as random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from drbook.core.lockproofs import (
    NAME,
    Attempt,
    LockPlace,
    LockPlan,
    LockProof,
    Mode,
    Outcome,
)
from drbook.core.values import show_time
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of, explain, status_of
from drbook.providers.s3config import S3Place
from drbook.providers.s3facts import NO_LOCK
from drbook.providers.s3guard import PROVE_LOCKS, READ_BACKUPS
from drbook.providers.s3own import OwnObject
from drbook.providers.secrets import Secrets

SHORTEST = timedelta(days=1)
"""The lock of an object where the bucket has no default of its own; S3 counts retention in days."""
SHORTENED = timedelta(hours=1)
"""What an attempt would leave of it."""
COPIES_ASKED = 20
"""Objects under the prefix of which the lock is looked at, to try the same kind."""
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NoSuchObject"})


# --- what would be written -----------------------------------------------------------------------


def plan(
    store: S3Place, place: LockPlace, secrets: Secrets, now: datetime, declared: Mode | None = None
) -> LockPlan:
    """Asks the bucket for its lock, and its objects for theirs; writes nothing.

    `declared` is the mode in which the runbook itself has drbook write there. Raises UsageError where its
    credentials cannot be read.
    """
    connection = S3Connection(store, secrets, READ_BACKUPS)
    try:
        return _planned(connection, place, now, declared)
    except STORE_ERRORS as error:
        why = f"its lock cannot be asked: {explain(error).reason}"
        return LockPlan(place=place, why=why, unknown=True)
    finally:
        connection.close()


def _planned(
    connection: S3Connection, place: LockPlace, now: datetime, declared: Mode | None
) -> LockPlan:
    on, default, why = _bucket_lock(connection)
    if default is not None:
        mode, lasts = default
        return LockPlan(place=place, mode=mode, until=_end(now, lasts), by_default=True)
    held = declared or _held(connection)
    if held is None and not on:
        unknown = bool(why)
        said = why or "no Object Lock is on, and no object there carries a lock"
        return LockPlan(place=place, why=said, unknown=unknown)
    return LockPlan(place=place, mode=held or "GOVERNANCE", until=_end(now, SHORTEST))


def _bucket_lock(connection: S3Connection) -> tuple[bool, tuple[Mode, timedelta] | None, str]:
    """Whether Object Lock is on, its default retention, and why that is not known."""
    ask = {"Bucket": connection.place.bucket, **connection.owner}
    try:
        answer = connection.client.get_object_lock_configuration(**ask)
    except STORE_ERRORS as error:
        if code_of(error) in NO_LOCK:
            return False, None, ""
        return False, None, f"whether it is locked is not known: {explain(error).reason}"
    found: Mapping[str, Any] = answer.get("ObjectLockConfiguration", {})
    rule = found.get("Rule", {}).get("DefaultRetention", {})
    days = int(rule.get("Days", 0)) + 365 * int(rule.get("Years", 0))
    on = found.get("ObjectLockEnabled") == "Enabled"
    if rule.get("Mode") in ("COMPLIANCE", "GOVERNANCE") and days > 0:
        return on, (rule["Mode"], timedelta(days=days)), ""
    return on, None, ""


def _held(connection: S3Connection) -> Mode | None:
    """The stronger kind of lock that the first objects there say they carry."""
    listed = connection.client.list_objects_v2(
        Bucket=connection.place.bucket,
        Prefix=connection.place.prefix,
        MaxKeys=COPIES_ASKED,
        **connection.owner,
    )
    modes = set()
    for each in listed.get("Contents", ()):
        where = {"Bucket": connection.place.bucket, "Key": each["Key"], **connection.owner}
        try:
            modes.add(connection.client.head_object(**where).get("ObjectLockMode"))
        except STORE_ERRORS as error:
            if status_of(error) not in (403, 404):
                raise
    kinds: tuple[Mode, ...] = ("COMPLIANCE", "GOVERNANCE")
    return next((one for one in kinds if one in modes), None)


def _end(now: datetime, lasts: timedelta) -> datetime:
    return now.replace(microsecond=0) + lasts


# --- the attempts --------------------------------------------------------------------------------


class NotOwn(Exception):
    """What lies there does not hold the nonce: somebody else wrote it, and nothing more is tried."""


@dataclass(slots=True)
class Prover:
    """One object's life. `prove` is called once."""

    connection: S3Connection
    own: OwnObject
    plan: LockPlan
    body: bytes
    version: str | None = None
    until: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    _seen: bytes = b""
    """What it held right before the attempt."""

    def prove(self, at: datetime) -> LockProof:
        """Create it and try everything. Never raises for a store that refuses or answers badly."""
        why = ""
        try:
            self._create()
            for name, attempt in self._tries():
                self._check_own()
                self.attempts.append(attempt(name))
                if self.attempts[-1].outcome is Outcome.ALLOWED and self._gone():
                    break
        except NotOwn:
            why = "what lies under its name is not what was written: nothing more was tried"
        except STORE_ERRORS as error:
            why = f"it could not be tried to its end: {explain(error).reason}"
        return LockProof(
            place=self.plan.place,
            key=self.own.key,
            version=self.version,
            mode=self.plan.mode,
            until=self.until,
            by_default=self.plan.by_default,
            at=at,
            attempts=tuple(self.attempts),
            why=why,
            left=self._left(),
        )

    def _create(self) -> None:
        """Raises NotOwn where something else lies there, and the store's own errors."""
        lock: dict[str, Any] = {}
        if not self.plan.by_default:
            lock = {
                "ObjectLockMode": self.plan.mode,
                "ObjectLockRetainUntilDate": self.plan.until,
            }
        answer = self._put(self.body, IfNoneMatch="*", **lock)
        self.version = answer.get("VersionId") or None
        self.own.versions.add(self.version)
        self._check_own()
        self.until = self._lock()[1]

    def _tries(self) -> Iterator[tuple[str, Callable[[str], Attempt]]]:
        yield "shorten", self._shorten
        if self.plan.mode == "COMPLIANCE":
            yield "lower", self._lower
        yield "overwrite", self._overwrite
        yield "hide", self._hide
        yield "delete", self._delete
        yield "bypass", self._bypass

    def _shorten(self, name: str) -> Attempt:
        ends = datetime.now(UTC).replace(microsecond=0) + SHORTENED
        return self._retain(name, self.plan.mode or "GOVERNANCE", ends)

    def _lower(self, name: str) -> Attempt:
        return self._retain(name, "GOVERNANCE", self.until or self.own.until)

    def _retain(self, name: str, mode: str, until: datetime) -> Attempt:
        before = self._lock()
        asked = {"Mode": mode, "RetainUntilDate": until}
        answer = self._ask(
            lambda: self.connection.client.put_object_retention(
                **self._where(),
                Retention=asked,  # type: ignore[arg-type]
            )
        )
        if self._read() != self._seen:  # a store that knows no retention stores the request itself
            said = f"{answer}; it holds other bytes, the request was written over it"
            return Attempt(name=name, outcome=Outcome.ALLOWED, said=said)
        after = self._lock()
        if None in before or None in after:
            return Attempt(
                name=name, outcome=Outcome.UNTOLD, said=f"{answer}; its lock is not shown"
            )
        if after == before:
            return Attempt(
                name=name, outcome=Outcome.REFUSED, said=f"{answer}; its lock is as it was"
            )
        self.until = after[1]
        said = f"{answer}; its lock is {after[0]} until {show_time(after[1])}"  # type: ignore[arg-type]
        return Attempt(name=name, outcome=Outcome.ALLOWED, said=said)

    def _overwrite(self, name: str) -> Attempt:
        def put() -> None:
            made = self._put(self.body + b"\nA second version, to see that the first one stays.\n")
            self.own.versions.add(made.get("VersionId") or None)

        return self._kept(name, put)

    def _hide(self, name: str) -> Attempt:
        """A delete without a version: on a store with versions a delete marker, below which it stays."""
        where = {key: value for key, value in self._where().items() if key != "VersionId"}
        return self._kept(name, lambda: self.connection.client.delete_object(**where))

    def _delete(self, name: str) -> Attempt:
        return self._kept(name, lambda: self.connection.client.delete_object(**self._where()))

    def _bypass(self, name: str) -> Attempt:
        return self._kept(
            name,
            lambda: self.connection.client.delete_object(
                **self._where(), BypassGovernanceRetention=True
            ),
        )

    def _kept(self, name: str, ask: Callable[[], object]) -> Attempt:
        """An attempt after which the version must still be there, and its bytes with it."""
        answer = self._ask(ask)
        try:
            there = self._read()
        except STORE_ERRORS as error:
            if not _is_gone(error):
                said = f"{answer}; whether it is still there is not known: {explain(error).reason}"
                return Attempt(name=name, outcome=Outcome.UNTOLD, said=said)
            if self._listed():
                said = f"{answer}; it is listed, and cannot be read"
                return Attempt(name=name, outcome=Outcome.UNTOLD, said=said)
            return Attempt(name=name, outcome=Outcome.ALLOWED, said=f"{answer}; it is gone")
        if there == self._seen:
            return Attempt(name=name, outcome=Outcome.REFUSED, said=f"{answer}; it is still there")
        return Attempt(name=name, outcome=Outcome.ALLOWED, said=f"{answer}; it holds other bytes")

    # --- asking ----------------------------------------------------------------------------

    def _ask(self, ask: Callable[[], object]) -> str:
        """What the store answers. Raises its error where it did not answer at all."""
        try:
            ask()
        except STORE_ERRORS as error:
            if status_of(error) == 0:
                raise
            return f"refused ({explain(error).reason})"
        return "answered as done"

    def _where(self) -> dict[str, Any]:
        pinned = {"VersionId": self.version} if self.version else {}
        return {
            "Bucket": self.own.bucket,
            "Key": self.own.key,
            **pinned,
            **self.connection.owner,
        }

    def _put(self, body: bytes, **more: Any) -> Mapping[str, Any]:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
        answer: Mapping[str, Any] = self.connection.client.put_object(
            Bucket=self.own.bucket,
            Key=self.own.key,
            Body=body,
            ContentType="text/plain; charset=utf-8",
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=digest,
            **more,
            **self.connection.owner,
        )
        return answer

    def _read(self) -> bytes:
        answer = self.connection.client.get_object(**self._where())
        with answer["Body"] as body:
            return body.read(len(self.body) + 200)

    def _check_own(self) -> None:
        """Raises NotOwn; errors of the store as they are."""
        self._seen = self._read()
        if not self._seen.startswith(self.body):
            raise NotOwn

    def _lock(self) -> tuple[str | None, datetime | None]:
        head = self.connection.client.head_object(**self._where())
        return head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")

    def _listed(self) -> bool:
        """Whether a list of versions names it, for a store that does not tell versions when it writes."""
        try:
            answer = self.connection.client.list_object_versions(
                Bucket=self.own.bucket, Prefix=self.own.key, **self.connection.owner
            )
        except STORE_ERRORS:
            return False  # no versions: what is not read by its name is not there
        wanted = self.version
        return any(wanted in (None, each["VersionId"]) for each in answer.get("Versions", ()))

    def _gone(self) -> bool:
        """Whether nothing is left on which more could be tried."""
        try:
            return not self._read().startswith(self.body)
        except STORE_ERRORS as error:
            return _is_gone(error)

    def _left(self) -> str:
        if not self.own.versions:
            return "nothing was written, as far as is known"
        try:
            self._read()
        except STORE_ERRORS:
            return "the object is gone, or cannot be read"
        until = f" until {show_time(self.until)}" if self.until else ""
        return f"the object stays there{until}; it may be removed then"


def _is_gone(error: Exception) -> bool:
    return code_of(error) in _GONE or status_of(error) == 404


def prepare(plan: LockPlan, at: datetime) -> tuple[str, bytes]:
    """The name of the object and its content, which says what it is and until when."""
    assert plan.until is not None
    nonce = random.token_hex(8)
    key = f"{folder_of(plan.place)}{NAME}{at:%Y%m%dT%H%M%SZ}-{nonce}"
    text = (
        f"This object was written by `drbook audit --prove-locks` at {show_time(at)} to see whether this "
        f"store keeps a lock. It holds no data. Its own lock ends at {show_time(plan.until)}; it may be "
        f"removed after that.\nnonce {nonce}\n"
    )
    return key, text.encode()


def folder_of(place: LockPlace) -> str:
    """Where it is written: under the prefix, and never as a longer name of something else there."""
    bare = place.prefix.rstrip("/")
    return f"{bare}/" if bare else ""


def prove(
    store: S3Place,
    plan: LockPlan,
    prepared: tuple[str, bytes],
    secrets: Secrets,
    at: datetime,
) -> LockProof:
    """Write the prepared object and try its lock. Raises UsageError where credentials cannot be read."""
    key, body = prepared
    assert plan.until is not None
    # A moment may pass until a bucket counts its default from, and its days end at no second of ours.
    own = OwnObject(plan.place.bucket, key, plan.until + timedelta(days=1))
    connection = S3Connection(
        store, secrets, PROVE_LOCKS, writes_to=(plan.place.bucket, folder_of(plan.place)), own=own
    )
    try:
        return Prover(connection, own, plan, body).prove(at)
    finally:
        connection.close()


def places(stores: Sequence[tuple[str, S3Place]]) -> list[tuple[LockPlace, S3Place]]:
    """Each bucket and prefix once, under the first name that it has."""
    found: dict[tuple[str, str, str], tuple[LockPlace, S3Place]] = {}
    for name, store in stores:
        place = place_of(name, store)
        found.setdefault((place.bucket, place.prefix, place.endpoint), (place, store))
    return list(found.values())


def place_of(name: str, store: S3Place) -> LockPlace:
    return LockPlace(
        name=name, bucket=store.bucket, prefix=store.prefix, endpoint=store.endpoint or ""
    )
