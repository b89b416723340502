"""The copies on a demo's store, seen and handled by whoever owns the store, past everything that stands before
it: what is true of them, and what can be done to them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from drbook.core.errors import StepFailed
from drbook.core.values import plain
from drbook.demo.objectstore import ObjectStore
from drbook.demo.truth import Copy
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete

MANIFEST = ".manifest.json"


@dataclass(frozen=True, slots=True)
class _Object:
    bucket: str
    key: str
    version: str
    body: bytes


class Shelf:
    """The store of one world."""

    def __init__(self, store: ObjectStore, tools: PgTools, scratch: Path) -> None:
        self._store = store
        self._tools = tools
        self._scratch = scratch
        self._client = store.client()
        self.copies: tuple[Copy, ...] = ()
        self._made: set[str] = set()
        """Versions that a fault made."""

    def look(self) -> tuple[Copy, ...]:
        """Every version of every dump as it lies there, with the rows in it. Raises StepFailed."""
        try:
            objects = list(self._objects())
        except (BotoCoreError, ClientError) as error:
            raise StepFailed(
                f"The demo's store cannot be looked at: {plain(str(error), 200)}"
            ) from error
        stated = {
            (one.bucket, one.key.removesuffix(MANIFEST)): json.loads(one.body)
            for one in objects
            if one.key.endswith(MANIFEST)
        }
        return tuple(
            self._copy(one, stated.get((one.bucket, one.key), {}))
            for one in objects
            if not one.key.endswith(MANIFEST) and one.key != "ready"
        )

    def remember(self) -> None:
        """What lies there now is what the world has put there."""
        self.copies = self.look()

    def strange(self) -> tuple[str, ...]:
        """What is otherwise than when it was remembered, and was no fault's doing."""
        now = {(one.bucket, one.key, one.version): one.sha256 for one in self.look()}
        before = {(one.bucket, one.key, one.version): one.sha256 for one in self.copies}
        gone = [
            f"s3://{bucket}/{key} is gone" for bucket, key, version in before.keys() - now.keys()
        ]
        changed = [
            f"s3://{bucket}/{key} has other bytes"
            for bucket, key, version in before.keys() & now.keys()
            if before[bucket, key, version] != now[bucket, key, version]
        ]
        added = [
            f"s3://{bucket}/{key} is new"
            for bucket, key, version in now.keys() - before.keys()
            if version not in self._made
        ]
        return (*gone, *changed, *added)

    # --- faults --------------------------------------------------------------------------------

    def newest_sound(self) -> Copy:
        """The copy that a recovery would take: in the bucket with a lock where there is one."""
        sound = [one for one in self.copies if one.rows is not None]
        locked = [one for one in sound if self._locks(one.bucket)]
        return max(locked or sound, key=lambda one: one.key.rpartition("/")[2])

    def corrupt(self) -> str:
        """Put damaged bytes over it, as somebody with the writer's key could. Versions stay."""
        one = self.newest_sound()
        body = bytearray(self._body(one.bucket, one.key, one.version))
        body[len(body) // 2] ^= 0xFF
        answer = self._client.put_object(Bucket=one.bucket, Key=one.key, Body=bytes(body))
        self._made.add(answer.get("VersionId", "null"))
        return f"damaged bytes lie over s3://{one.bucket}/{one.key}"

    def delete(self) -> str:
        """Delete it as anybody would: where versions are kept, a marker hides it."""
        one = self.newest_sound()
        self._client.delete_object(Bucket=one.bucket, Key=one.key)
        return f"s3://{one.bucket}/{one.key} was deleted"

    def revoke(self) -> str:
        """Every key but the operator's own gets another secret, in the running server."""
        self._store.revoke()
        return "every key of the store has another secret now"

    def undo(self, before: Sequence[Copy]) -> None:
        """Take away what lies there beside these copies, and uncover them. Revoked keys stay so: the store
        tells the new ones."""
        kept = {one.version for one in before}
        strange = [
            (one.bucket, one.key, one.version) for one in self.look() if one.version not in kept
        ]
        for bucket, key, version in (*self._hidden(), *strange):
            self._client.delete_object(Bucket=bucket, Key=key, VersionId=version)

    def _hidden(self) -> list[tuple[str, str, str]]:
        """Bucket, key and version of each delete marker."""
        return [
            (named["Name"], one["Key"], one["VersionId"])
            for named in self._client.list_buckets()["Buckets"]
            for one in self._client.list_object_versions(Bucket=named["Name"]).get(
                "DeleteMarkers", ()
            )
        ]

    # --- reading -------------------------------------------------------------------------------

    def _locks(self, bucket: str) -> bool:
        try:
            self._client.get_object_lock_configuration(Bucket=bucket)
        except ClientError:
            return False
        return True

    def _body(self, bucket: str, key: str, version: str) -> bytes:
        answer = self._client.get_object(Bucket=bucket, Key=key, VersionId=version)
        return answer["Body"].read()

    def _objects(self) -> Iterator[_Object]:
        for named in self._client.list_buckets()["Buckets"]:
            bucket = named["Name"]
            for each in self._client.list_object_versions(Bucket=bucket).get("Versions", ()):
                key, version = each["Key"], each["VersionId"]
                yield _Object(bucket, key, version, self._body(bucket, key, version))

    def _copy(self, one: _Object, stated: Mapping[str, object]) -> Copy:
        found = sha256(one.body).hexdigest()
        taken = stated.get("taken_at")
        return Copy(
            bucket=one.bucket,
            key=one.key,
            version=one.version,
            sha256=found,
            taken_at=taken if isinstance(taken, str) else None,
            rows=self._rows(one.body) if stated.get("sha256") == found else None,
        )

    def _rows(self, dump: bytes) -> Mapping[str, int] | None:
        """Rows by table, counted in the script that pg_restore makes of it; None where it makes none."""
        path = self._scratch / "counted.dump"
        path.write_bytes(dump)
        script = self._scratch / "counted.sql"
        try:
            argv: list[str | Path] = [
                self._tools.path("pg_restore"),
                "--data-only",
                "-f",
                script,
                path,
            ]
            if complete(argv).exit_code != 0:
                return None
            return counted_rows(script.read_text(encoding="utf-8"))
        finally:
            path.unlink()
            script.unlink(missing_ok=True)


def counted_rows(script: str) -> dict[str, int]:
    """`schema.table` → lines between its COPY and the end of its data."""
    found: dict[str, int] = {}
    table = ""
    for line in script.split("\n"):
        if table and line == "\\.":
            table = ""
        elif table:
            found[table] += 1
        elif line.startswith("COPY ") and line.endswith(" FROM stdin;"):
            table = line.split(" ", 2)[1].replace('"', "")
            found.setdefault(table, 0)
    return found
