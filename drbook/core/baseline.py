"""Baselines and manifests: what was known good, and the comparison of three sets of row counts.

Everything here is a function of data. A count that could not be taken is `None` with a reason and
never compares as equal to anything.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from drbook.core.values import Frozen, UtcTime


class Place(Frozen):
    """A directory as the kernel knows it. Only numbers of one boot of one machine can be compared."""

    device: int
    inode: int
    boot: str
    """The kernel's boot id, which the containers of one machine share."""


class Identity(Frozen):
    """What tells one PostgreSQL server and database from another.

    Without a system identifier there is no identity. A physical copy shares it; there the data
    directory's device and inode decide.
    """

    system_identifier: str = Field(pattern=r"^[1-9][0-9]{0,19}$")
    """`pg_control_system()`, as text: it exceeds what JSON numbers hold."""
    database: str
    database_oid: int
    addresses: tuple[str, ...] = ()
    """Addresses and ports the server answers at, or its socket directory."""
    dialled: str = ""
    """What was asked for to reach it, `host:port/database`; two of them may reach one server."""
    resource: str = ""
    """The volume or instance that the runbook declared it to be, where it did."""
    data_directory: str | None = None
    directory_device: int | None = None
    directory_inode: int | None = None
    directory_boot: str | None = None
    """Where device and inode were read; these three are known together or not at all."""
    server_version: int = 0
    """As `server_version_num`, like 180003."""
    cluster_name: str = ""
    started_at: UtcTime | None = None
    in_recovery: bool | None = None
    """True for a standby, which takes no writes of its own."""

    @property
    def place(self) -> Place | None:
        """The data directory; None where any part of it is unknown."""
        device, inode, boot = self.directory_device, self.directory_inode, self.directory_boot
        if device is None or inode is None or not boot:
            return None
        return Place(device=device, inode=inode, boot=boot)


class TableCount(Frozen):
    """One table in one place at one moment."""

    table: str
    """`schema.name`, as PostgreSQL spells it, unquoted."""
    rows: int | None
    """Exact count; None where it could not be taken."""
    newest: UtcTime | None = None
    """The largest value of `newest_column`."""
    newest_column: str | None = None
    content: str | None = None
    """Order-independent hash of the rows with its method, like `hash_record_extended:123`."""
    why_unknown: str = ""


class TableCounts(Frozen):
    """All tables of one database in one snapshot."""

    identity: Identity
    taken_at: UtcTime
    tables: tuple[TableCount, ...]

    def by_name(self) -> Mapping[str, TableCount]:
        return {count.table: count for count in self.tables}


class Baseline(Frozen):
    """Known-good figures of production, captured in calm times and stored away from it."""

    drbook_baseline: int = 1
    captured_at: UtcTime
    counts: TableCounts
    drbook_version: str = ""

    def sealed(self) -> bytes:
        """The document's exact bytes: its own JSON plus the digest of it, in two lines."""
        body = self.model_dump_json().encode()
        return (
            body + b"\n" + json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n"
        )

    @classmethod
    def unseal(cls, document: bytes) -> "Baseline":
        """Read what `sealed` wrote. Raises ValueError where the bytes do not match their digest."""
        lines = document.split(b"\n")
        if len(lines) != 3 or lines[2]:
            raise ValueError("it does not have the two lines of a sealed baseline")
        try:
            stated = json.loads(lines[1])["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("its second line holds no digest") from error
        if stated != hashlib.sha256(lines[0]).hexdigest():
            raise ValueError("its bytes do not match their digest")
        return cls.model_validate_json(lines[0])


class Manifest(Frozen):
    """What a backup says it holds; stored beside it as `<key>.manifest.json`."""

    drbook_manifest: int = 1
    name: str
    size: int
    sha256: str
    taken_at: UtcTime
    format: str = "pg_dump"
    counts: TableCounts | None = None


class TableVerdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    COULD_NOT_VERIFY = "could-not-verify"


class TableComparison(Frozen):
    """One table: what the backup held, what was restored, and what production had before the loss."""

    table: str
    expected: int | None
    """Rows the backup's manifest states; None without a manifest."""
    restored: int | None
    before: int | None
    """Rows in production's baseline before the incident."""
    lost: int | None
    """`before - restored`: rows that users have lost. Negative where the restore holds more."""
    verdict: TableVerdict
    reason: str = ""
    newest: UtcTime | None = None
    """Newest row restored."""


class Comparison(Frozen):
    """The result of a verification: per table, and as a whole."""

    tables: tuple[TableComparison, ...]
    verdict: TableVerdict
    reference: str
    """What `expected` comes from: `manifest`, `baseline` or `none`."""
    expected_at: UtcTime | None = None
    baseline_at: UtcTime | None = None
    counted_at: UtcTime | None = None
    newest: UtcTime | None = None
    """Newest row restored in any table."""

    def count(self, verdict: TableVerdict) -> int:
        return sum(1 for table in self.tables if table.verdict is verdict)


def compare(
    restored: TableCounts,
    manifest: TableCounts | None,
    baseline: TableCounts | None,
    copy_taken_at: datetime | None = None,
) -> Comparison:
    """Restored counts against the manifest (fidelity) and against the baseline (loss).

    Fidelity decides the verdict. Without a manifest nothing states what the copy should hold: what
    differs from the baseline could not be verified, since rows written or deleted between the
    baseline and the backup look the same as damage. Only a table that an older baseline holds and
    that is missing or came back empty is a failure.
    """
    older = (
        baseline is not None and copy_taken_at is not None and baseline.taken_at <= copy_taken_at
    )
    held = dict(manifest.by_name()) if manifest else {}
    known = dict(baseline.by_name()) if baseline else {}
    found = restored.by_name()
    names = sorted({*held, *known, *found})
    rows = tuple(
        _compare_table(
            name, found.get(name), held.get(name), known.get(name), manifest is not None, older
        )
        for name in names
    )
    return Comparison(
        tables=rows,
        verdict=_whole({row.verdict for row in rows}),
        reference="manifest" if manifest else "baseline" if baseline else "none",
        expected_at=manifest.taken_at if manifest else None,
        baseline_at=baseline.taken_at if baseline else None,
        counted_at=restored.taken_at,
        newest=max((row.newest for row in rows if row.newest), default=None),
    )


def _whole(verdicts: set[TableVerdict]) -> TableVerdict:
    """The worst of all; of nothing at all, nobody can say that it passed."""
    for worst in (TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY):
        if worst in verdicts:
            return worst
    return TableVerdict.PASS if verdicts else TableVerdict.COULD_NOT_VERIFY


def _compare_table(
    name: str,
    found: TableCount | None,
    held: TableCount | None,
    known: TableCount | None,
    has_manifest: bool,
    older: bool,
) -> TableComparison:
    restored = found.rows if found else None
    expected = held.rows if held else None
    before = known.rows if known else None
    lost = before - restored if before is not None and restored is not None else None
    verdict, reason = _judge(found, held, known, has_manifest, older)
    return TableComparison(
        table=name,
        expected=expected,
        restored=restored,
        before=before,
        lost=before if found is None and before is not None else lost,
        verdict=verdict,
        reason=reason,
        newest=found.newest if found else None,
    )


def _judge(
    found: TableCount | None,
    held: TableCount | None,
    known: TableCount | None,
    has_manifest: bool,
    older: bool,
) -> tuple[TableVerdict, str]:
    unsure, fail, good = TableVerdict.COULD_NOT_VERIFY, TableVerdict.FAIL, TableVerdict.PASS
    if found is None:
        if has_manifest and held is None:
            return unsure, "in the baseline, but neither in the backup nor restored"
        if not has_manifest and not older:
            return unsure, "in the baseline, not restored; nothing says whether the backup held it"
        return fail, "missing in the restored database"
    if found.rows is None:
        return unsure, found.why_unknown or "not counted"
    if has_manifest:
        return _judge_fidelity(found, held)
    if known is None:
        return unsure, "no manifest and no baseline to compare with"
    if known.rows is None:
        return unsure, known.why_unknown or "not counted in the baseline"
    if found.rows == 0 and known.rows > 0 and older:
        return fail, f"empty, where the baseline has {known.rows} rows"
    if found.rows == known.rows:
        return good, "as in the baseline"
    return unsure, "differs from the baseline, and no manifest says what the backup held"


def _judge_fidelity(found: TableCount, held: TableCount | None) -> tuple[TableVerdict, str]:
    if held is None:
        return TableVerdict.FAIL, "not in the backup's manifest"
    if held.rows is None:
        return TableVerdict.COULD_NOT_VERIFY, held.why_unknown or "not counted in the manifest"
    if found.rows != held.rows:
        return TableVerdict.FAIL, f"the backup held {held.rows} rows, {found.rows} were restored"
    if held.content is not None and found.content is not None:
        if held.content.split(":")[0] != found.content.split(":")[0]:
            return TableVerdict.COULD_NOT_VERIFY, "content was hashed by another method"
        if held.content != found.content:
            return TableVerdict.FAIL, "the rows' content differs from what the backup held"
        return TableVerdict.PASS, "content"
    if held.newest is not None and found.newest != held.newest:
        return TableVerdict.FAIL, "the newest row differs from what the backup held"
    return TableVerdict.PASS, "empty, as in the backup" if found.rows == 0 else "count"


def compare_production(
    current: TableCounts, baseline: TableCounts, max_drop_percent: int = 5
) -> Comparison:
    """Production as it is now against its baseline: is something gone?

    Rows come and go in a living database, so more rows are well, and fewer are as long as the drop
    stays within the stated share. A table that is missing or empty is a loss.
    """
    known, found = baseline.by_name(), current.by_name()
    rows = []
    for name in sorted({*known, *found}):
        before, now = known.get(name), found.get(name)
        verdict, reason = _judge_production(before, now, max_drop_percent)
        counts = (before.rows if before else None, now.rows if now else None)
        gone = counts[0] if now is None else None
        rows.append(
            TableComparison(
                table=name,
                expected=counts[0],
                restored=counts[1],
                before=counts[0],
                lost=counts[0] - counts[1] if None not in counts else gone,  # type: ignore[operator]
                verdict=verdict,
                reason=reason,
                newest=now.newest if now else None,
            )
        )
    return Comparison(
        tables=tuple(rows),
        verdict=_whole({row.verdict for row in rows}),
        reference="baseline",
        baseline_at=baseline.taken_at,
        counted_at=current.taken_at,
        newest=max((row.newest for row in rows if row.newest), default=None),
    )


def _judge_production(
    before: TableCount | None, now: TableCount | None, max_drop_percent: int
) -> tuple[TableVerdict, str]:
    if now is None:
        return TableVerdict.FAIL, "missing"
    if now.rows is None:
        return TableVerdict.COULD_NOT_VERIFY, now.why_unknown or "not counted"
    if before is None:
        return TableVerdict.PASS, "newer than the baseline"
    if before.rows is None:
        return TableVerdict.COULD_NOT_VERIFY, before.why_unknown or "not counted in the baseline"
    if now.rows == 0 and before.rows > 0:
        return TableVerdict.FAIL, f"empty, where the baseline has {before.rows} rows"
    drop = before.rows - now.rows
    if drop * 100 > before.rows * max_drop_percent:
        return TableVerdict.FAIL, f"{drop} rows fewer than in the baseline"
    return TableVerdict.PASS, "not fewer than expected"
