"""Tables for the audit of copies: every line passed, failed and unknown; unknown is never a pass."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.audit import audit_copies
from drbook.core.copyset import Facts
from drbook.core.holding import Disagreement
from drbook.core.independence import judge, leaked_credentials, located
from drbook.core.points import (
    Answer,
    ByteFact,
    Criterion,
    FailureDomain,
    Judgement,
    LockFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
    Verdict,
)
from drbook.core.proofs import Proof

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PROD = FailureDomain(
    provider="railway", account="acme", region="us", resource="vol-1", credentials=("t",)
)
AWAY = FailureDomain(
    provider="aws", account="1", region="eu", resource="bucket", credentials=("w",)
)
DISK = FailureDomain(
    provider="hetzner", account="2", region="de", resource="disk", credentials=("w",)
)
BESIDE = FailureDomain(
    provider="railway", account="acme", region="us", resource="vol-2", credentials=("w",)
)
REQUIRED = (Criterion.RESOURCE, Criterion.ACCOUNT)
INTACT = ByteFact(state="intact", reason="its digest matches")
LOCK = LockFact(mode="COMPLIANCE", until=NOW + 90 * DAY)
YES, NO, DUNNO = Answer.PASS, Answer.FAIL, Answer.UNKNOWN
TRIED, ECHOED = Observed(value=True), Observed(value=False)


def copy(
    source: str = "offsite",
    domain: FailureDomain = AWAY,
    hours: float = 5,
    *,
    fact: ByteFact = INTACT,
    lock: LockFact | None = None,
    tried: Observed | None = None,
    hidden: bool | None = False,
    **more: Any,
) -> Judgement:
    fields: dict[str, Any] = {
        "source": source,
        "id": f"{hours}.dump",
        "taken_at": NOW - timedelta(hours=hours),
        "taken_by": "manifest",
        "size": 10,
        "location": f"s3://{source}/{hours}",
    }
    point = RecoveryPoint(**(fields | more))
    facts = PointFacts(
        point=point, bytes=fact, lock=lock or LockFact(), hidden_by_delete_marker=hidden
    )
    place = SourceFacts(
        source=source, reachable=True, lock_enforced=tried or Observed(why="not tried")
    )
    reach = leaked_credentials(PROD, {})
    return judge(facts, place, domain, PROD, reach, require=REQUIRED, now=NOW)


def facts(*judgements: Judgement, silent: tuple[str, ...] = (), **more: Any) -> Facts:
    away = tuple(SourceFacts(source=one, reachable=False, why_unreachable="no") for one in silent)
    found = located(judgements, unreachable=away, require=REQUIRED, asked_at=NOW)
    domains = {
        "offsite": AWAY,
        "disk": DISK,
        "beside": BESIDE,
        "same": AWAY,
        "bare": FailureDomain(),
    }
    given = Facts(found, PROD, domains, 24 * timedelta(hours=1), NOW, baselines=[NOW - DAY])
    return replace(given, **more)


def proof(judgement: Judgement, **more: Any) -> Proof:
    point = judgement.point
    given = {"bytes_key": point.bytes_key, "location": point.location, "verified_at": NOW - DAY}
    return Proof(**(given | {"mode": "drill"} | more))


GOOD = copy()
SECOND = copy("disk", DISK, 6)
LATE = copy(taken_by="store")
OLD = copy(hours=30)
DAMAGED = copy(fact=ByteFact(state="damaged", reason="it ends early"))
BAD = ByteFact(state="damaged", reason="it ends early")
READ = copy(fact=ByteFact(state="structure", reason="read to its end; its content is unproven"))

TABLE: list[tuple[str, str, Facts, Answer]] = [
    ("two places and production", "3 copies", facts(GOOD, SECOND), YES),
    ("one place, many copies", "3 copies", facts(GOOD, copy(hours=6), copy(hours=7)), NO),
    ("two sources in one bucket are one place", "3 copies", facts(GOOD, copy("same", AWAY)), NO),
    ("a place that did not answer", "3 copies", facts(GOOD, silent=("disk",)), DUNNO),
    (
        "a place of which nothing is stated",
        "3 copies",
        facts(GOOD, copy("bare", FailureDomain())),
        DUNNO,
    ),
    ("a damaged copy is no copy", "3 copies", facts(GOOD, copy("disk", DISK, fact=BAD)), NO),
    (
        "one that a delete marker hides is none",
        "3 copies",
        facts(GOOD, copy("disk", DISK, hidden=True)),
        NO,
    ),
    ("no copy at all", "3 copies", facts(), NO),
    ("another provider", "2 media", facts(GOOD), YES),
    ("all with one provider", "2 media", facts(copy("beside", BESIDE)), NO),
    ("providers are not stated", "2 media", facts(copy("bare", FailureDomain())), DUNNO),
    ("in another region", "1 off-site", facts(GOOD), YES),
    ("in the same provider and region", "1 off-site", facts(copy("beside", BESIDE)), NO),
    ("nothing is stated of it", "1 off-site", facts(copy("bare", FailureDomain())), DUNNO),
    ("no copy", "1 off-site", facts(), NO),
    ("a place that did not answer may be", "1 off-site", facts(silent=("offsite",)), DUNNO),
    ("a lock that was tried", "1 immutable", facts(copy(lock=LOCK, tried=TRIED)), YES),
    ("a lock that nobody tried", "1 immutable", facts(copy(lock=LOCK)), DUNNO),
    ("a lock that does not hold", "1 immutable", facts(copy(lock=LOCK, tried=ECHOED)), NO),
    (
        "a lock that nobody could ask for",
        "1 immutable",
        facts(copy(lock=LockFact(why_unknown="denied"))),
        DUNNO,
    ),
    ("no lock", "1 immutable", facts(GOOD), NO),
    ("its digest matches", "0 errors", facts(GOOD), YES),
    ("it was only read", "0 errors", facts(READ), DUNNO),
    ("it was restored and verified", "0 errors", facts(READ, proofs=[proof(READ)]), YES),
    (
        "other bytes were restored",
        "0 errors",
        facts(READ, proofs=[proof(READ, bytes_key="x")]),
        DUNNO,
    ),
    ("an older one is damaged", "0 errors", facts(GOOD, copy("disk", DISK, 9, fact=BAD)), NO),
    ("a place did not answer", "0 errors", facts(GOOD, silent=("disk",)), DUNNO),
    ("within the rpo", "newest", facts(GOOD), YES),
    ("older than the rpo", "newest", facts(OLD), NO),
    ("older, and a newer one may be elsewhere", "newest", facts(OLD, silent=("disk",)), DUNNO),
    ("dated by its storing", "newest", facts(LATE), DUNNO),
    ("dated by its storing, and too old", "newest", facts(copy(hours=30, taken_by="file")), NO),
    ("dated in the future", "newest", facts(copy(hours=-3)), DUNNO),
    ("no rpo is stated", "newest", facts(GOOD, rpo=None), DUNNO),
    ("damaged ones do not count", "newest", facts(DAMAGED), NO),
    ("it is independent", "newest independent", facts(GOOD), YES),
    ("only a shared one", "newest independent", facts(copy("beside", BESIDE)), NO),
    ("the shared one is newer", "newest independent", facts(OLD, copy("beside", BESIDE, 1)), NO),
    ("proved and fresh", "newest proved", facts(GOOD, proofs=[proof(GOOD)]), YES),
    ("proved and old", "newest proved", facts(OLD, GOOD, proofs=[proof(OLD)]), NO),
    ("never proved", "newest proved", facts(GOOD), NO),
    ("what was proved is gone", "newest proved", facts(GOOD, proofs=[proof(OLD)]), NO),
    (
        "proved elsewhere under that name",
        "newest proved",
        facts(GOOD, proofs=[proof(GOOD, location="s3://x")]),
        NO,
    ),
    ("records cannot be read", "newest proved", facts(GOOD, unread="1 earlier record"), DUNNO),
    ("young", "baseline", facts(), YES),
    ("old", "baseline", facts(baselines=[NOW - 31 * DAY]), NO),
    ("none", "baseline", facts(baselines=[]), NO),
    ("cannot be listed", "baseline", facts(no_baselines="denied"), DUNNO),
    ("in the future", "baseline", facts(baselines=[NOW + DAY]), DUNNO),
]


@pytest.mark.parametrize(
    ("why", "name", "given", "expected"), TABLE, ids=[f"{row[1]}: {row[0]}" for row in TABLE]
)
def test_line(why: str, name: str, given: Facts, expected: Answer) -> None:
    line = next(line for line in audit_copies(given) if line.name == name)
    assert line.answer is expected, line.reason
    assert line.reason


def test_every_line_is_tried_in_all_three_ways() -> None:
    tried = {(name, answer) for _, name, _, answer in TABLE}
    names = {line.name for line in audit_copies(facts())}
    assert tried == {(name, answer) for name in names for answer in Answer} - {
        ("newest independent", DUNNO)
    }


def test_a_source_that_falls_silent_never_makes_a_line_pass() -> None:
    for _, _, given, _ in TABLE:
        known = {line.name: line.answer for line in audit_copies(given)}
        away = (*given.located.unreachable, SourceFacts(source="more", reachable=False))
        less = replace(given, located=given.located.model_copy(update={"unreachable": away}))
        for line in audit_copies(less):
            assert not (line.answer is YES and known[line.name] is not YES)


def test_a_destroyed_source_is_not_unsure() -> None:
    gone = SourceFacts(source="disk", reachable=False, destroyed=True)
    given = facts(GOOD)
    given = replace(given, located=given.located.model_copy(update={"unreachable": (gone,)}))
    assert audit_copies(given)[0].answer is NO


# --- presets over all sources, and what is stated -----------------------------------------------

KEPT = copy(lock=LOCK, tried=TRIED)
PRESETS_TABLE: list[tuple[str, Facts, Answer, Answer]] = [
    ("all of it", facts(KEPT, SECOND), YES, YES),
    ("nothing locked", facts(GOOD, SECOND), YES, NO),
    ("a lock that nobody tried", facts(copy(lock=LOCK), SECOND), YES, DUNNO),
    ("one damaged", facts(KEPT, SECOND, copy("same", hours=9, fact=BAD)), YES, NO),
    ("one place", facts(KEPT), NO, NO),
    ("one silent", facts(KEPT, silent=("disk",)), DUNNO, DUNNO),
]


@pytest.mark.parametrize(
    ("given", "short", "long"),
    [row[1:] for row in PRESETS_TABLE],
    ids=[row[0] for row in PRESETS_TABLE],
)
def test_a_preset_is_judged_over_all_sources(given: Facts, short: Answer, long: Answer) -> None:
    for name, expected in (("3-2-1", short), ("3-2-1-1-0", long)):
        first = audit_copies(given, name)[0]
        assert (first.name, first.answer) == (name, expected), first.reason


def disagreeing(judgement: Judgement, fact: str, observed: str) -> Judgement:
    one = Disagreement(fact=fact, stated="x", observed=observed, words=f"{fact}: x, and {observed}")
    return judgement.model_copy(update={"disagreements": (one,)})


def test_what_is_not_as_stated_is_a_line_that_fails() -> None:
    given = facts(disagreeing(GOOD, "account", "y"), SECOND)
    line = next(line for line in audit_copies(given) if line.name == "as stated")
    assert (line.answer, line.reason) == (NO, "offsite: account: x, and y")
    agreed = facts(GOOD.model_copy(update={"agreed": ("account",)}))
    line = next(line for line in audit_copies(agreed) if line.name == "as stated")
    assert (line.answer, "offsite (account)" in line.reason) == (YES, True)
    assert all(line.name != "as stated" for line in audit_copies(facts(GOOD)))


def test_two_sources_that_answer_as_one_bucket_are_one_place() -> None:
    given = facts(GOOD, disagreeing(SECOND, "resource", "BUCKET"))
    assert audit_copies(given)[0].answer is NO


@pytest.mark.parametrize(
    ("one", "other", "provider", "answer"),
    [
        ("/mnt/backups", "/mnt/backups", "hetzner", NO),
        ("/mnt/backups", "/mnt/backups/weekly", "hetzner", YES),
        ("backups", "backups", "aws", NO),
        ("backups", "backups", "hetzner", YES),
        ("", "", "aws", YES),
    ],
)
def test_one_place_under_two_names_is_one(
    one: str, other: str, provider: str, answer: Answer
) -> None:
    """The runbook names the resources differently; where the copies were seen decides."""
    disk = DISK.model_copy(update={"provider": provider})
    given = facts(
        GOOD.model_copy(update={"place": one}), SECOND.model_copy(update={"place": other})
    )
    given = replace(given, domains={"offsite": AWAY, "disk": disk})
    assert audit_copies(given)[0].answer is answer


def test_a_copy_that_answers_from_productions_region_is_not_off_site_by_its_region() -> None:
    near = FailureDomain(provider="railway", account="1", region="eu", resource="b")
    given = replace(facts(GOOD), domains={"offsite": near})
    off_site = next(line for line in audit_copies(given) if line.name == "1 off-site")
    assert off_site.answer is YES
    given = replace(facts(disagreeing(GOOD, "region", "us")), domains={"offsite": near})
    off_site = next(line for line in audit_copies(given) if line.name == "1 off-site")
    assert off_site.answer is NO


@pytest.mark.parametrize(
    ("back", "answer"),
    [("bin", NO), ("replay", NO), (None, NO), ("provider", YES), ("tier", YES)],
)
def test_a_copy_that_takes_its_time_is_one_and_what_goes_or_replays_is_none(
    back: str | None, answer: Answer
) -> None:
    update = {"verdict": Verdict.RECOVERABLE, "back": back}
    given = facts(GOOD, SECOND.model_copy(update=update))
    assert audit_copies(given)[0].answer is answer
