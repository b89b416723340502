"""Results as the actions hand them back, for screens that show them."""

from datetime import UTC, datetime, timedelta

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.baseline import Identity
from drbook.core.comparison import Comparison, TableComparison, TableVerdict
from drbook.core.located import Located
from drbook.core.points import (
    Answer,
    Basis,
    Criterion,
    Finding,
    Judgement,
    RecoveryPoint,
    SourceFacts,
    Verdict,
)
from drbook.core.preflight import CopyFacts, PlaceFacts
from drbook.core.preflightrules import judge
from drbook.core.remarks import Question, Remark
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.targets import Complaint, DatabaseRef, LoadReport, LocalCopy, Target
from drbook.core.textsettings import usual

LOSS = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)


def point(source: str, hours: float, size: int = 2_000_000_000) -> RecoveryPoint:
    taken = LOSS - timedelta(hours=hours)
    return RecoveryPoint(
        source=source,
        id=f"nightly/{taken:%Y%m%dT%H%M}Z.dump",
        taken_at=taken,
        taken_by="manifest",
        size=size,
        location=f"s3://{source}/nightly/{taken:%Y%m%dT%H%M}Z.dump",
    )


def judgement(found: RecoveryPoint, verdict: Verdict, reason: str) -> Judgement:
    bad = verdict is not Verdict.INDEPENDENT
    findings = tuple(
        Finding(
            criterion=criterion,
            answer=Answer.FAIL if bad and criterion is Criterion.CREDENTIAL else Answer.PASS,
            basis=Basis.DECLARED if criterion is Criterion.CREDENTIAL else Basis.OBSERVED,
            reason=f"why {criterion.value}",
        )
        for criterion in Criterion
    )
    return Judgement(point=found, verdict=verdict, reasons=(reason,), findings=findings)


def located(chosen: bool = True, reason: str = "app-key can delete it") -> Located:
    newest, broken = point("app", 2), point("offsite", 11, 600_000_000)
    good, older = point("offsite", 26), point("offsite", 50)
    judgements = (
        judgement(newest, Verdict.SHARED, reason),
        judgement(broken, Verdict.DAMAGED, "damaged: it is cut short"),
        judgement(good, Verdict.INDEPENDENT, "it lies in offsite, not in vol-1"),
        judgement(older, Verdict.INDEPENDENT, "it lies in offsite, not in vol-1"),
    )
    return Located(
        point=good if chosen else None,
        newest=newest,
        judgements=judgements,
        unreachable=(
            SourceFacts(source="volume", reachable=False, why_unreachable="gone", destroyed=True),
            SourceFacts(source="attic", reachable=False, why_unreachable="connection refused"),
        ),
        require=(Criterion.CREDENTIAL,),
        asked_at=LOSS + timedelta(minutes=20),
        loss_seconds=26 * 3600,
        newest_loss_seconds=2 * 3600,
    )


def restored() -> RestoreResult:
    """A restore with a page of findings of every kind, and warnings."""
    held = ArchiveFacts(
        rows={"public.t": 3}, text_bytes=99, source_version="16.4", dump_version="16.4",
        settings=DatabaseSettings(encoding="UTF8", collate="en_US.UTF-8", ctype="en_US.UTF-8"),
        roles=("app",), owners=("boss <b>",),
    )  # fmt: skip
    place = PlaceFacts(
        server_version=180006, whole_server=True, roles=(), extensions={}, settings=usual(18),
        free=1, record_free=1 << 40, restore_version=180006,
    )  # fmt: skip
    page = judge(CopyFacts(size=9, proven="structure", held=held), place, 160004)
    target = Target(
        kind="cluster",
        name="restore-1",
        nonce="0" * 32,
        location="/var/lib/drbook/targets/restore-1",
        connect=DatabaseRef(host="/tmp/x", user="drbook_reader", dbname="rental"),
        identity=Identity(system_identifier="7", database="rental", database_oid=5),
        proof="made here",
        whole_server=True,
    )
    load = LoadReport(
        tool="pg_restore",
        tool_version="18.6",
        archive_format="pg_dump custom",
        items=9,
        complaints=(Complaint(level="warning", kind="other", count=3, first=("x",)),),
        seconds=4,
    )
    copy = LocalCopy(name="copies/a", size=9, sha256="", checked="structure", held=held)
    return RestoreResult(
        point=point("offsite", 26), copy_used=copy, target=target, load=load, preflight=page
    )


def table(
    name: str,
    expected: int | None,
    restored: int | None,
    before: int | None,
    verdict: TableVerdict,
    reason: str,
) -> TableComparison:
    lost = before - restored if before is not None and restored is not None else None
    return TableComparison(
        table=name,
        expected=expected,
        restored=restored,
        before=before,
        lost=lost,
        verdict=verdict,
        reason=reason,
    )


def remark(
    question: Question, check: str, subject: str, verdict: TableVerdict, words: str
) -> Remark:
    return Remark(question=question, check=check, subject=subject, verdict=verdict, words=words)


def verified() -> VerifyResult:
    good, bad, unsure = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY
    rows = (
        table("public.branches", 24, 24, 24, good, "content"),
        table("public.payments", 181_990, 181_989, 186_902, bad, "one row fewer than held"),
        table("public.reports", None, None, 12, unsure, "permission denied for reporting_ro"),
        table("public.reservations", 182_404, 182_404, 187_391, good, "content"),
    )
    remarks = (
        remark(Question.FIDELITY, "index", "public.reservations_day", bad, "missing <b>"),
        remark(Question.ASSERTION, "assertion", "somebody paid", unsure, "not answered"),
        remark(Question.LOSS, "sequence", "public.payments_id_seq", good, "stands at 7"),
    )
    comparison = Comparison(
        tables=rows,
        verdict=bad,
        reference="manifest",
        remarks=remarks,
        not_compared=("structure: the manifest holds none",),
    )
    return VerifyResult(comparison=comparison, loss_seconds=26 * 3600)
