"""Tables for the judgement: every criterion both ways, hostile spellings, and what is never assumed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.independence import choose, judge, leaked_credentials, located
from drbook.core.points import (
    Answer,
    Basis,
    ByteFact,
    CredentialPlace,
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

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OCCURRED = NOW - timedelta(hours=1)
PROD = FailureDomain(
    provider="railway", account="acme", project="prod", resource="vol-7f3a", credentials=("token",)
)
AWAY = FailureDomain(
    provider="aws", account="111122223333", resource="acme-offsite", credentials=("writer",)
)
PLACES = {
    "token": CredentialPlace(stored_in=("laptops",)),
    "writer": CredentialPlace(stored_in=("backup-host",)),
}
REQUIRED = (Criterion.RESOURCE, Criterion.ACCOUNT, Criterion.CREDENTIAL)
YES, NO, DUNNO = Answer.PASS, Answer.FAIL, Answer.UNKNOWN
WHY = Observed(why="access is denied")


def point(hours: float = 5, **more: Any) -> RecoveryPoint:
    fields: dict[str, Any] = {
        "source": "offsite",
        "id": f"{hours}.dump",
        "taken_at": NOW - timedelta(hours=hours),
        "taken_by": "manifest",
        "size": 10,
        "location": "s3://x/y",
    }
    return RecoveryPoint(**(fields | more))


def judged(
    *,
    at: RecoveryPoint | None = None,
    declared: FailureDomain = AWAY,
    production: FailureDomain = PROD,
    places: dict[str, CredentialPlace] | None = None,
    named: tuple[str, ...] | None = None,
    source: dict[str, Any] | None = None,
    require: tuple[Criterion, ...] = REQUIRED,
    prefer: tuple[Criterion, ...] = (),
    observed_only: frozenset[Criterion] = frozenset(),
    **facts: Any,
) -> Judgement:
    reach = leaked_credentials(production, PLACES if places is None else places, named)
    return judge(
        PointFacts(point=at or point(), **facts),
        SourceFacts(
            source="offsite", reachable=True, **({"resource": "acme-offsite"} | (source or {}))
        ),
        declared,
        production,
        reach,
        require=require,
        prefer=prefer,
        now=NOW,
        occurred=OCCURRED,
        observed_only=observed_only,
    )


def changed(domain: FailureDomain, **more: Any) -> FailureDomain:
    return domain.model_copy(update=more)


def lock(mode: Any = None, days: float | None = None, **more: Any) -> LockFact:
    return LockFact(
        mode=mode, until=NOW + timedelta(days=days) if days is not None else None, **more
    )


def test_a_copy_elsewhere_is_independent_with_reasons() -> None:
    found = judged()
    assert found.verdict is Verdict.INDEPENDENT
    assert [each.criterion for each in found.findings] == list(Criterion)
    assert all(each.reason for each in found.findings)
    assert any("declared in the runbook" in reason for reason in found.reasons)


_RESOURCE = [
    ("observed elsewhere", {}, AWAY, PROD, YES),
    ("the bucket itself was destroyed", {}, AWAY, changed(PROD, provider="aws", resource="acme-offsite"), NO),
    ("in other case", {}, AWAY, changed(PROD, provider=None, resource="ACME-Offsite"), NO),
    ("declared inside it", {"resource": None}, changed(AWAY, provider="railway", resource="vol-7f3a"), PROD, NO),
    ("declared inside, observed path", {"resource": "/mnt/b"}, changed(AWAY, provider="railway", resource="vol-7f3a"), PROD, NO),
    ("below the destroyed folder", {"resource": "/data/pg/backups"}, AWAY, changed(PROD, provider=None, resource="/data/pg"), NO),
    ("beside the destroyed folder", {"resource": "/data/pg2"}, AWAY, changed(PROD, provider=None, resource="/data/pg"), YES),
    ("a path says nothing of a volume", {"resource": "/mnt/b"}, changed(AWAY, resource=None), PROD, DUNNO),
    ("nothing stated", {"resource": None}, FailureDomain(), PROD, DUNNO),
    ("destroyed resource not stated", {}, AWAY, changed(PROD, resource=None), DUNNO),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "declared", "production", "answer"),
    [row[1:] for row in _RESOURCE],
    ids=[row[0] for row in _RESOURCE],
)
def test_resource(source: Any, declared: Any, production: Any, answer: Answer) -> None:
    found = judged(source=source, declared=declared, production=production)
    assert found.finding(Criterion.RESOURCE).answer is answer
    expected = {YES: {Verdict.INDEPENDENT, Verdict.UNKNOWN}, NO: {Verdict.DESTROYED}}
    assert found.verdict in expected.get(answer, {Verdict.UNKNOWN})


_ACCOUNT = [
    ("declared elsewhere", {}, AWAY, PROD, YES, Basis.DECLARED),
    ("same account, other case", {}, changed(AWAY, provider="railway", account="ACME "), PROD, NO, Basis.DECLARED),
    ("same number with hyphens", {}, changed(AWAY, account="1111-2222-3333"), changed(PROD, provider="aws", account="111122223333"), NO, Basis.DECLARED),
    ("full-width digits", {}, changed(AWAY, account="１１１１２２２２３３３３"), changed(PROD, provider="aws", account="111122223333"), NO, Basis.DECLARED),
    ("same name at another provider", {}, changed(AWAY, account="acme"), PROD, YES, Basis.DECLARED),
    ("same name, provider not stated", {}, changed(AWAY, provider=None, account="acme"), PROD, NO, Basis.DECLARED),
    ("observed elsewhere", {"account": Observed(value="999")}, changed(AWAY, account=None), PROD, YES, Basis.OBSERVED),
    ("observed as production's", {"account": Observed(value="acme")}, changed(AWAY, provider="railway"), PROD, NO, Basis.OBSERVED),
    ("neither", {"account": WHY}, changed(AWAY, account=None), PROD, DUNNO, Basis.NONE),
    ("an empty name", {}, changed(AWAY, account=" "), PROD, DUNNO, Basis.NONE),
    ("production's not stated", {}, AWAY, changed(PROD, account=None), DUNNO, Basis.NONE),
    ("other provider, none stated", {}, changed(AWAY, account=None), PROD, DUNNO, Basis.NONE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "declared", "production", "answer", "basis"),
    [row[1:] for row in _ACCOUNT],
    ids=[row[0] for row in _ACCOUNT],
)
def test_account(source: Any, declared: Any, production: Any, answer: Answer, basis: Basis) -> None:
    found = judged(source=source, declared=declared, production=production)
    finding = found.finding(Criterion.ACCOUNT)
    assert (finding.answer, finding.basis) == (answer, basis)
    wanted = {YES: Verdict.INDEPENDENT, NO: Verdict.SHARED, DUNNO: Verdict.UNKNOWN}
    assert found.verdict is wanted[answer]


def place(*stored: str, reads: tuple[str, ...] = ()) -> CredentialPlace:
    return CredentialPlace(stored_in=stored, reads=reads)


_CREDENTIAL = [
    ("stored apart", AWAY, PLACES, None, YES),
    ("the same credential", changed(AWAY, credentials=("token",)), PLACES, None, NO),
    ("the same, other case", changed(AWAY, credentials=(" TOKEN",)), PLACES, None, NO),
    ("one of two leaks", changed(AWAY, credentials=("writer", "token")), PLACES, None, NO),
    ("not stated", changed(AWAY, credentials=None), PLACES, None, DUNNO),
    ("stated: none can", changed(AWAY, credentials=()), PLACES, None, YES),
    ("stored together", AWAY, PLACES | {"writer": place("backup-host", "Laptops")}, None, NO),
    ("the leaked one reads its vault", AWAY, PLACES | {"token": place("laptops", reads=("backup-host",))}, None, NO),
    ("chain of three", AWAY, {"token": place("laptops"), "a": place("laptops", reads=("vault",)), "b": place("vault", reads=("backup-host",)), "writer": place("backup-host")}, None, NO),
    ("cycle", AWAY, {"token": place("x", reads=("y",)), "a": place("y", reads=("x",)), "writer": place("z")}, None, YES),
    ("cycle reaches it", AWAY, {"token": place("x", reads=("y",)), "a": place("y", reads=("x", "z")), "writer": place("z")}, None, NO),
    ("its storage not stated", AWAY, {"token": place("laptops")}, None, DUNNO),
    ("its storage left open", AWAY, PLACES | {"writer": CredentialPlace()}, None, DUNNO),
    ("leaked one without entry", AWAY, {"writer": place("backup-host")}, None, DUNNO),
    ("an open end in the chain", AWAY, PLACES | {"token": CredentialPlace()}, None, DUNNO),
    ("the operator names another", AWAY, PLACES, ("writer",), NO),
    ("the operator names a third", changed(AWAY, credentials=("token",)), PLACES | {"x": place("phone")}, ("x",), YES),
]  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "places", "named", "answer"),
    [row[1:] for row in _CREDENTIAL],
    ids=[row[0] for row in _CREDENTIAL],
)
def test_credential(declared: Any, places: Any, named: Any, answer: Answer) -> None:
    found = judged(declared=declared, places=places, named=named)
    assert found.finding(Criterion.CREDENTIAL).answer is answer
    wanted = {YES: Verdict.INDEPENDENT, NO: Verdict.SHARED, DUNNO: Verdict.UNKNOWN}
    assert found.verdict is wanted[answer]


def test_production_without_stated_credentials_leaves_the_reach_unknown() -> None:
    found = judged(production=changed(PROD, credentials=None))
    assert found.finding(Criterion.CREDENTIAL).answer is DUNNO
    assert found.verdict is Verdict.UNKNOWN


def test_the_reason_tells_the_way() -> None:
    places = PLACES | {"writer": place("laptops")}
    (reason,) = [
        each.reason for each in judged(places=places).findings if each.criterion == "credential"
    ]
    assert "writer is stored in laptops, where token is stored too" in reason


LEAKED = changed(AWAY, credentials=("token",))
UNSTATED = changed(AWAY, credentials=None)
_LOCK = [
    ("compliance", lock("COMPLIANCE", 30), AWAY, YES, YES),
    ("compliance, all leaked", lock("COMPLIANCE", 30), LEAKED, YES, YES),
    ("compliance, ends soon", lock("COMPLIANCE", 2), AWAY, YES, NO),
    ("compliance, ended", lock("COMPLIANCE", -1), AWAY, NO, NO),
    ("compliance without an end", lock("COMPLIANCE"), AWAY, NO, NO),
    ("governance, held apart", lock("GOVERNANCE", 30), AWAY, YES, YES),
    ("governance, leaked", lock("GOVERNANCE", 30), LEAKED, NO, NO),
    ("governance, not stated", lock("GOVERNANCE", 30), UNSTATED, DUNNO, DUNNO),
    ("legal hold, held apart", lock(legal_hold=True), AWAY, YES, YES),
    ("legal hold, leaked", lock(legal_hold=True), LEAKED, NO, NO),
    ("none", lock(), AWAY, NO, NO),
    ("unknown", lock(why_unknown="denied"), AWAY, DUNNO, DUNNO),
]


@pytest.mark.parametrize(
    ("fact", "declared", "locked", "outlives"),
    [row[1:] for row in _LOCK],
    ids=[row[0] for row in _LOCK],
)
def test_locks(fact: LockFact, declared: Any, locked: Answer, outlives: Answer) -> None:
    found = judged(declared=declared, lock=fact)
    assert found.finding(Criterion.LOCKED).answer is locked
    assert found.finding(Criterion.LOCK_OUTLIVES).answer is outlives
    # A lock does not make a leaked credential harmless to the criterion of credentials.
    if declared is LEAKED:
        assert found.verdict is Verdict.SHARED


_PLACE = [
    ("versioned", Criterion.VERSIONED, Observed(value=True), YES),
    ("versioned", Criterion.VERSIONED, Observed(value=False), NO),
    ("versioned", Criterion.VERSIONED, WHY, DUNNO),
    ("versioned", Criterion.VERSIONED, Observed(value="Enabled"), DUNNO),
    ("versioned", Criterion.VERSIONED, Observed(value=None), DUNNO),
    ("deletes_replicated", Criterion.REPLICATION, Observed(value=False), YES),
    ("deletes_replicated", Criterion.REPLICATION, Observed(value=True), NO),
    ("deletes_replicated", Criterion.REPLICATION, WHY, DUNNO),
    ("expires_after_days", Criterion.LIFECYCLE, Observed(value=None), YES),
    ("expires_after_days", Criterion.LIFECYCLE, Observed(value=30), YES),
    ("expires_after_days", Criterion.LIFECYCLE, Observed(value=5), NO),
    ("expires_after_days", Criterion.LIFECYCLE, Observed(value=10**9), YES),
    ("expires_after_days", Criterion.LIFECYCLE, Observed(value=True), DUNNO),
    ("expires_after_days", Criterion.LIFECYCLE, WHY, DUNNO),
    ("expires_after_days", Criterion.LIFECYCLE, Observed(value=30, why="it broke off"), DUNNO),
    ("policy_limits_deletes", Criterion.POLICY, Observed(value=True), YES),
    ("policy_limits_deletes", Criterion.POLICY, Observed(value=False), NO),
    ("policy_limits_deletes", Criterion.POLICY, WHY, DUNNO),
]


@pytest.mark.parametrize(("field", "criterion", "fact", "answer"), _PLACE)
def test_facts_of_the_place(
    field: str, criterion: Criterion, fact: Observed, answer: Answer
) -> None:
    found = judged(source={field: fact}, require=(*REQUIRED, criterion))
    assert found.finding(criterion).answer is answer
    wanted = {YES: Verdict.INDEPENDENT, NO: Verdict.SHARED, DUNNO: Verdict.UNKNOWN}
    assert found.verdict is wanted[answer]


@pytest.mark.parametrize(("hidden", "answer"), [(False, YES), (True, NO), (None, DUNNO)])
def test_delete_markers(hidden: bool | None, answer: Answer) -> None:
    finding = judged(hidden_by_delete_marker=hidden).finding(Criterion.VISIBLE)
    assert finding.answer is answer
    assert ("recoverable" in finding.reason) is (hidden is True)


@pytest.mark.parametrize(
    ("state", "answer"),
    [("intact", YES), ("damaged", NO), ("structure", DUNNO), ("unread", DUNNO), ("unknown", DUNNO)],
)
def test_bytes(state: Any, answer: Answer) -> None:
    found = judged(bytes=ByteFact(state=state), require=(*REQUIRED, Criterion.BYTES))
    assert found.finding(Criterion.BYTES).answer is answer
    wanted = {YES: Verdict.INDEPENDENT, NO: Verdict.DAMAGED, DUNNO: Verdict.UNKNOWN}
    assert found.verdict is wanted[answer]
    if state == "damaged":
        assert judged(bytes=ByteFact(state=state)).verdict is Verdict.DAMAGED


def test_what_is_gone_is_destroyed() -> None:
    assert judged(still_there=False).verdict is Verdict.DESTROYED


def test_a_policy_may_ask_for_proof() -> None:
    found = judged(observed_only=frozenset({Criterion.ACCOUNT}))
    assert found.verdict is Verdict.UNKNOWN
    assert "only declared" in found.finding(Criterion.ACCOUNT).reason
    proven = judged(
        observed_only=frozenset({Criterion.ACCOUNT}), source={"account": Observed(value="999")}
    )
    assert proven.verdict is Verdict.INDEPENDENT


def test_requiring_nothing_proves_nothing() -> None:
    assert judged(require=()).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("hours", "by", "verdict"),
    [(2, "manifest", Verdict.INDEPENDENT), (0.5, "manifest", Verdict.SHARED), (0.5, "store", Verdict.UNKNOWN)],
)  # fmt: skip
def test_a_copy_taken_after_the_loss_holds_the_loss(
    hours: float, by: str, verdict: Verdict
) -> None:
    assert judged(at=point(hours, taken_by=by)).verdict is verdict


def test_reasons_are_safe_to_show() -> None:
    hostile = changed(AWAY, account="9\x1b[2J", resource="b\u202e", credentials=("w\x07",))
    found = judged(declared=hostile, source={"resource": "x\x1b]0;"})
    text = "".join(found.reasons) + "".join(each.reason for each in found.findings)
    assert not set(text) & {"\x1b", "\u202e", "\x07"}


# --- the reasons -------------------------------------------------------------------------------

LIES = "it lies in acme-offsite, not in vol-7f3a"
IS_IN = "it is in account 111122223333 at aws, production in acme"
STORED = "writer is stored apart from everything that leaked"
DECLARED = "declared in the runbook, not observed: account, credential"


def test_the_reasons_are_those_of_what_was_required() -> None:
    assert judged().reasons == (LIES, IS_IN, STORED, DECLARED)
    twice = judged(require=(Criterion.RESOURCE, Criterion.RESOURCE))
    assert twice.reasons == (LIES,)
    assert judged(require=()).reasons == ("no criterion was required, so nothing was proven",)


def test_destroyed_and_damaged_say_why_and_nothing_else() -> None:
    assert judged(still_there=False).reasons == ("it is not there any more",)
    damaged = judged(bytes=ByteFact(state="damaged", reason="cut"), still_there=False)
    assert (damaged.verdict, damaged.reasons) == (Verdict.DAMAGED, ("damaged: cut",))


def test_what_failed_comes_before_what_is_unsure() -> None:
    found = judged(declared=changed(LEAKED, account=None), source={"account": WHY}, at=point(0.5))
    assert found.verdict is Verdict.SHARED
    assert found.reasons == (
        "token is one of production's own credentials",
        "dated 30 m 00 s after the loss: what happened is in it",
        "its account is neither observed (access is denied) nor stated",
    )


def test_bytes_that_could_not_be_looked_at_leave_it_unknown_though_nobody_required_them() -> None:
    found = judged(bytes=ByteFact(state="unknown", reason="the store broke off"))
    assert (found.verdict, found.reasons) == (Verdict.UNKNOWN, ("the store broke off",))


_DATES = [
    (0.5, "manifest", Verdict.SHARED, "dated 30 m 00 s after the loss: what happened is in it"),
    (0.5, "tool", Verdict.SHARED, "dated 30 m 00 s after the loss: what happened is in it"),
    (0.5, "store", Verdict.UNKNOWN, "dated 30 m 00 s after the loss, by a clock that may only show when it was stored"),
    (0.5, "file", Verdict.UNKNOWN, "dated 30 m 00 s after the loss, by a clock that may only show when it was stored"),
    (1, "tool", Verdict.INDEPENDENT, LIES),
    (2, "store", Verdict.INDEPENDENT, LIES),
]  # fmt: skip


@pytest.mark.parametrize(("hours", "by", "verdict", "reason"), _DATES)
def test_its_date_against_the_loss(hours: float, by: str, verdict: Verdict, reason: str) -> None:
    found = judged(at=point(hours, taken_by=by))
    assert (found.verdict, found.reasons[0]) == (verdict, reason)


def test_without_a_time_of_the_loss_no_copy_is_late() -> None:
    found = judge(
        PointFacts(point=point(-5)),
        SourceFacts(source="offsite", reachable=True, resource="acme-offsite"),
        AWAY,
        PROD,
        leaked_credentials(PROD, PLACES),
        require=REQUIRED,
        now=NOW,
    )
    assert found.verdict is Verdict.INDEPENDENT


def test_what_is_declared_is_said_only_where_it_carries_the_verdict() -> None:
    """Not for what nobody required, nor for what was observed, nor for another verdict."""
    seen = judged(require=(Criterion.RESOURCE,))
    assert seen.reasons == (LIES,)
    seen = changed(AWAY, account="999")
    observed = judged(declared=seen, source={"account": Observed(value="999")})
    assert observed.reasons[-1] == "declared in the runbook, not observed: credential"
    other = judged(require=(*REQUIRED, Criterion.VERSIONED), source={"versioned": WHY})
    assert other.reasons == ("its versioning is unknown: access is denied",)


def test_a_policy_for_proof_leaves_a_failure_a_failure() -> None:
    found = judged(declared=LEAKED, observed_only=frozenset({Criterion.CREDENTIAL}))
    assert found.finding(Criterion.CREDENTIAL).answer is NO
    assert found.verdict is Verdict.SHARED
    asked = judged(observed_only=frozenset({Criterion.ACCOUNT})).finding(Criterion.ACCOUNT)
    assert asked.reason == f"only declared, and the policy asks for proof: {IS_IN}"


def test_preferences_are_told_met_or_not_and_requirements_not_twice() -> None:
    found = judged(
        prefer=(Criterion.RESOURCE, Criterion.LOCKED, Criterion.VERSIONED),
        source={"versioned": Observed(value=True)},
        lock=lock(),
    )
    assert found.reasons == (
        LIES,
        IS_IN,
        STORED,
        DECLARED,
        "preferred: overwrites and deletes keep the version before",
        "preferred but not met (locked): it is not locked",
    )


def test_a_note_on_its_date_is_told_plain() -> None:
    assert judged(at=point(taken_note="two clocks\x1b")).reasons[-1] == "two clocks\\x1b"


# --- the choice --------------------------------------------------------------------------------


def test_the_newest_independent_one_is_chosen() -> None:
    rows = [
        judged(at=point(2), declared=LEAKED),
        judged(at=point(3), bytes=ByteFact(state="damaged")),
        judged(at=point(4), declared=UNSTATED),
        judged(at=point(26)),
        judged(at=point(50), lock=lock("COMPLIANCE", 30)),
    ]
    found = located(
        rows, require=REQUIRED, prefer=(Criterion.LOCKED,), asked_at=NOW, occurred=OCCURRED
    )
    assert found.point == point(26)
    assert found.newest == point(2)
    assert found.loss_seconds == 25 * 3600
    assert found.newest_loss_seconds == 3600
    assert [each.point.id for each in found.judgements] == [each.point.id for each in rows]


def test_without_an_independent_one_nothing_is_chosen() -> None:
    found = located([judged(declared=UNSTATED)], require=REQUIRED, asked_at=NOW)
    assert found.point is None
    assert found.loss_seconds is None
    assert choose([]) is None


def test_a_preference_decides_only_between_equals() -> None:
    prefer = (Criterion.LOCKED,)
    bare = judged(at=point(5, source="a"), prefer=prefer)
    kept = judged(at=point(5, source="b"), lock=lock("COMPLIANCE", 30), prefer=prefer)
    older = judged(at=point(6, source="c"), lock=lock("COMPLIANCE", 30), prefer=prefer)
    assert choose([bare, kept, older], prefer) is kept
    assert choose([kept, bare, older]) is not older
    assert choose([bare, older], prefer) is bare


def test_the_same_bytes_are_equal_whatever_their_date() -> None:
    """A preference may choose the older of two that hold the same; not of two without a digest."""
    prefer = (Criterion.LOCKED,)
    newest = judged(at=point(5, source="a", digest="d1"), prefer=prefer)
    same = judged(at=point(6, source="b", digest="d1"), lock=lock("COMPLIANCE", 30), prefer=prefer)
    other = judged(at=point(7, source="c", digest="d2"), lock=lock("COMPLIANCE", 30), prefer=prefer)
    assert choose([newest, same, other], prefer) is same
    assert choose([newest, other], prefer) is newest
    bare = judged(at=point(5, source="a"))
    none = judged(at=point(6, source="b"), lock=lock("COMPLIANCE", 30))
    assert choose([bare, none], prefer) is bare


def test_what_is_not_known_costs_nothing_that_could_be_counted() -> None:
    nothing = located([], require=REQUIRED, asked_at=NOW, occurred=OCCURRED)
    assert (nothing.newest, nothing.loss_seconds, nothing.newest_loss_seconds) == (None, None, None)
    never = located([judged()], require=REQUIRED, asked_at=NOW)
    assert (never.loss_seconds, never.newest_loss_seconds) == (None, None)
    late = located([judged(at=point(0.5))], require=REQUIRED, asked_at=NOW, occurred=OCCURRED)
    assert (late.point, late.newest_loss_seconds) == (None, 0)


@pytest.mark.parametrize(
    ("volume", "resource", "verdict"),
    [
        ("/srv/pg", "/srv/pg/backups", Verdict.DESTROYED),
        ("/srv/pg/", "/srv/pg", Verdict.DESTROYED),
        ("/srv/pg", "/srv/pg2", Verdict.INDEPENDENT),
        ("/srv/pg", "acme-offsite", Verdict.INDEPENDENT),
        ("", "/srv/pg/backups", Verdict.INDEPENDENT),
    ],
)
def test_what_lies_in_productions_own_directory_went_with_it(
    volume: str, resource: str, verdict: Verdict
) -> None:
    """Whatever resource the runbook calls it."""
    found = judge(
        PointFacts(point=point()),
        SourceFacts(source="offsite", reachable=True, resource=resource),
        AWAY,
        PROD,
        leaked_credentials(PROD, PLACES),
        require=(Criterion.RESOURCE,),
        now=NOW,
        occurred=OCCURRED,
        volume=volume,
    )
    assert found.verdict is verdict, found.reasons


@pytest.mark.parametrize(
    ("readable", "stored"),
    [
        ("file:/etc/x/token", "file:/etc/x/token#KEY"),
        ("file:/etc/x/token", "/etc/x/token"),
        ("file:/etc/x/token", "file:/etc/x//token"),
        ("file:/etc/y/../x/token", "file:/etc/x/token"),
        ("~/.aws/credentials", "file:~/.aws/credentials#key"),
        ("Developer Laptops", "developer laptops "),
    ],
)
def test_one_place_written_in_two_ways_is_one(readable: str, stored: str) -> None:
    places = {"token": place("x", reads=(readable,)), "writer": place(stored)}
    reach = leaked_credentials(PROD, places, ("token",))
    assert "writer" in reach.leaked


def test_a_credential_that_is_named_as_a_place_leaks_what_it_opens() -> None:
    places = {"token": place("x"), "writer": place("Token"), "other": place("elsewhere")}
    reach = leaked_credentials(PROD, places, ("token",))
    assert set(reach.leaked) == {"token", "writer"}
    assert "what Token opens" in reach.leaked["writer"]
