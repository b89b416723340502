"""Tables for keys, vaults, snapshots, drills and pauses; and what is said where the runbook and the place
disagree. Each both ways, and unknown."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from core.test_independence import (
    AWAY,
    DUNNO,
    LEAKED,
    NO,
    NOW,
    PLACES,
    PROD,
    UNSTATED,
    WHY,
    YES,
    changed,
    place,
    point,
)  # fmt: skip

from drbook.core.holding import NO_SNAPSHOT, NO_VAULT, Claims, SnapshotFact, Stated, VaultFact
from drbook.core.independence import BEGINS, judge, leaked_credentials
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
from drbook.core.proofs import Proof, Proofs

OPENED = Observed(value=True)


def judged(
    *,
    at: RecoveryPoint | None = None,
    declared: FailureDomain = AWAY,
    production: FailureDomain = PROD,
    places: dict[str, CredentialPlace] | None = None,
    source: dict[str, Any] | None = None,
    require: tuple[Criterion, ...] = (Criterion.RESOURCE,),
    prefer: tuple[Criterion, ...] = (),
    stated: Stated | None = None,
    proofs: Proofs | None = None,
    **facts: Any,
) -> Judgement:
    return judge(
        PointFacts(point=at or point(), **facts),
        SourceFacts(
            source="offsite", reachable=True, **({"resource": "acme-offsite"} | (source or {}))
        ),
        declared,
        production,
        leaked_credentials(production, PLACES | (places or {})),
        require=require,
        prefer=prefer,
        now=NOW,
        stated=stated or Stated(),
        proofs=proofs or Proofs(),
    )


# --- keys --------------------------------------------------------------------------------------


def kept(*where: str) -> dict[str, CredentialPlace]:
    return {"restic-password": place(*where)}


NEEDED, NONE = Stated(keys=("Restic-Password",)), Stated(keys=())
BARE, SEALED = point(encrypted=False), point(encrypted=True)
_KEY: list[tuple[str, Stated, dict[str, Any], Answer, Basis, str]] = [
    ("kept apart", NEEDED, {"places": kept("vault")}, YES, Basis.DECLARED, "is kept in vault"),
    ("also in what was destroyed", NEEDED, {"places": kept("VOL-7F3A", "vault")}, YES, Basis.DECLARED, "is kept in vault"),
    ("only in what was destroyed", NEEDED, {"places": kept("VOL-7F3A ")}, NO, Basis.DECLARED, "kept only in what was destroyed"),
    ("only in the destroyed account", NEEDED, {"places": kept("acme", "prod")}, NO, Basis.DECLARED, "kept only in"),
    ("a file on the destroyed folder", NEEDED, {"places": kept("file:/data/pg/pw#KEY"), "production": changed(PROD, resource="/data/pg")}, NO, Basis.DECLARED, "kept only in"),
    ("a file beside it", NEEDED, {"places": kept("file:/data/pg2/pw"), "production": changed(PROD, resource="/data/pg")}, YES, Basis.DECLARED, "is kept in"),
    ("kept nowhere", NEEDED, {"places": kept()}, NO, Basis.DECLARED, "is kept nowhere"),
    ("left where what leaked can reach", NEEDED, {"places": kept("laptops")}, DUNNO, Basis.NONE, "nobody knows whether it is still there"),
    ("its places not stated", NEEDED, {}, DUNNO, Basis.NONE, "is kept is not stated"),
    ("one of two not stated", Stated(keys=("restic-password", "kms")), {"places": kept("vault")}, DUNNO, Basis.NONE, "where kms is kept"),
    ("one of two is gone", Stated(keys=("kms", "restic-password")), {"places": kept("prod")}, NO, Basis.DECLARED, "kept only in"),
    ("nobody said what was destroyed", NEEDED, {"places": kept("vault"), "production": changed(PROD, resource=None)}, DUNNO, Basis.NONE, "not stated"),
    ("nobody said what leaked", NEEDED, {"places": kept("vault"), "production": changed(PROD, credentials=None)}, DUNNO, Basis.NONE, "is not known"),
    ("it opened, and is kept apart", NEEDED, {"places": kept("vault"), "source": {"opened": OPENED}}, YES, Basis.OBSERVED, "a moment ago"),
    ("it opened, and only there", NEEDED, {"places": kept("prod"), "source": {"opened": OPENED}}, NO, Basis.DECLARED, "a moment ago"),
    ("it opened, and nothing is stated", Stated(), {"source": {"opened": OPENED}}, DUNNO, Basis.NONE, "a moment ago"),
    ("needs none, and opened with one", NONE, {"source": {"opened": OPENED}}, DUNNO, Basis.OBSERVED, "opened here with one"),
    ("needs none, as stated", NONE, {}, YES, Basis.DECLARED, "as the runbook states"),
    ("not encrypted", Stated(), {"at": BARE}, YES, Basis.OBSERVED, "is not encrypted"),
    ("not encrypted, and a key is stated", NEEDED, {"at": BARE, "places": kept("prod")}, NO, Basis.DECLARED, "kept only in"),
    ("encrypted, no key is stated", Stated(), {"at": SEALED}, DUNNO, Basis.NONE, "is not stated"),
    ("nobody knows", Stated(), {}, DUNNO, Basis.NONE, "is not stated"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stated", "more", "answer", "basis", "reason"),
    [row[1:] for row in _KEY],
    ids=[row[0] for row in _KEY],
)
def test_the_key(
    stated: Stated, more: dict[str, Any], answer: Answer, basis: Basis, reason: str
) -> None:
    found = judged(stated=stated, require=(Criterion.KEY,), **more)
    key = found.finding(Criterion.KEY)
    assert (key.answer, key.basis) == (answer, basis)
    assert reason in key.reason
    if answer is not YES:
        assert found.verdict is not Verdict.INDEPENDENT


# --- vaults, snapshots, drills -----------------------------------------------------------------

DAY = timedelta(days=1)


def vault(locked: bool | None = True, days: float | None = None) -> VaultFact:
    return VaultFact(
        kind="vault", locked=locked, fixed_at=None if days is None else NOW + days * DAY
    )


_VAULT = [
    ("air-gapped", VaultFact(kind="air_gapped"), AWAY, YES),
    ("air-gapped, all leaked", VaultFact(kind="air_gapped"), LEAKED, YES),
    ("fixed for good", vault(days=-1), LEAKED, YES),
    ("fixed from tomorrow, held apart", vault(days=1), AWAY, YES),
    ("fixed from tomorrow, leaked", vault(days=1), LEAKED, NO),
    ("can be lifted, held apart", vault(), AWAY, YES),
    ("can be lifted, leaked", vault(), LEAKED, NO),
    ("can be lifted, not stated", vault(), UNSTATED, DUNNO),
    ("not locked", vault(locked=False), AWAY, NO),
    ("lock not known", vault(locked=None), AWAY, DUNNO),
    ("none", NO_VAULT, AWAY, DUNNO),
    ("not asked", VaultFact(), AWAY, DUNNO),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "declared", "answer"), [row[1:] for row in _VAULT], ids=[row[0] for row in _VAULT]
)
def test_vaults(fact: VaultFact, declared: FailureDomain, answer: Answer) -> None:
    required = judged(vault=fact, declared=declared, require=(Criterion.VAULT,))
    assert required.finding(Criterion.VAULT).answer is answer
    assert (required.verdict is Verdict.INDEPENDENT) is (answer is YES)
    # A vault's lock is as good as one of its own, and no lock of its own takes that away.
    locked = judged(vault=fact, declared=declared, lock=LockFact()).finding(Criterion.LOCKED)
    assert locked.answer is (YES if answer is YES else NO)


_SNAPSHOT = [
    ("automated", NO, Basis.OBSERVED),
    ("retained", YES, Basis.OBSERVED),
    ("manual", YES, Basis.DERIVED),
    ("copied", YES, Basis.OBSERVED),
    ("none", YES, Basis.DERIVED),
    (None, DUNNO, Basis.NONE),
]


@pytest.mark.parametrize(("kind", "answer", "basis"), _SNAPSHOT)
def test_snapshots(kind: Any, answer: Answer, basis: Basis) -> None:
    found = judged(snapshot=SnapshotFact(kind=kind), require=(Criterion.OUTLIVES,))
    outlives = found.finding(Criterion.OUTLIVES)
    assert (outlives.answer, outlives.basis) == (answer, basis)


def test_what_does_not_apply_is_told_only_to_who_asks() -> None:
    def told(**more: Any) -> set[Criterion]:
        found = judged(vault=NO_VAULT, snapshot=NO_SNAPSHOT, **more).findings
        return {each.criterion for each in found}

    kinds = {Criterion.VAULT, Criterion.OUTLIVES}
    assert told() == set(Criterion) - kinds
    assert told(require=(Criterion.VAULT,)) == set(Criterion) - {Criterion.OUTLIVES}
    assert told(prefer=(Criterion.OUTLIVES,)) == set(Criterion) - {Criterion.VAULT}
    left_out = judged(vault=NO_VAULT).finding(Criterion.VAULT)
    assert left_out.answer is DUNNO


def proof(days: float, **more: Any) -> Proofs:
    of = point()
    given = {"bytes_key": of.bytes_key, "location": of.location, "mode": "drill"}
    return Proofs((Proof(**(given | {"verified_at": NOW - days * DAY} | more)),), "")


@pytest.mark.parametrize(
    ("proofs", "answer"),
    [
        (proof(1), YES),
        (proof(90), YES),
        (proof(91), NO),
        (proof(1, location="s3://other"), DUNNO),
        (proof(1, bytes_key="other"), DUNNO),
        (Proofs((), ""), DUNNO),
        (Proofs(), DUNNO),
    ],
)
def test_drills(proofs: Proofs, answer: Answer) -> None:
    found = judged(proofs=proofs, require=(Criterion.RESTORED,))
    assert found.finding(Criterion.RESTORED).answer is answer
    assert (found.verdict is Verdict.INDEPENDENT) is (answer is YES)


# --- what to pause -----------------------------------------------------------------------------

_PAUSE: list[tuple[Stated, dict[str, Any], list[str]]] = [
    (Stated(), {}, []),
    (Stated(purged_by=("purge.timer", "cron: find -delete")), {}, ["purge.timer", "find -delete"]),
    (Stated(), {"deletes_replicated": Observed(value=True)}, ["replication"]),
    (Stated(states=Claims(deletes_replicated=True)), {"deletes_replicated": Observed(value=False)}, ["replication"]),
    (Stated(), {"deletes_replicated": Observed(value=False)}, []),
    (Stated(), {"expires_after_days": Observed(value=3)}, ["3 days after"]),
    (Stated(), {"expires_after_days": Observed(value=90)}, []),
    (Stated(states=Claims(expires_after_days=2)), {"expires_after_days": Observed(value=90)}, ["2 days after"]),
    (Stated(), {"expires_after_days": Observed(value=10**9)}, []),
]  # fmt: skip


@pytest.mark.parametrize(("stated", "source", "wanted"), _PAUSE)
def test_what_to_pause(stated: Stated, source: dict[str, Any], wanted: list[str]) -> None:
    found = judged(stated=stated, source=source).pause
    assert len(found) == len(wanted)
    assert all(word in line for word, line in zip(wanted, found, strict=True))


# --- observed against stated -------------------------------------------------------------------

STATES_NO, STATES_YES = Claims(versioned=False), Claims(versioned=True)
_STATED = [
    ("observed alone", Claims(), Observed(value=True), YES, Basis.OBSERVED, False),
    ("stated alone", STATES_YES, WHY, YES, Basis.DECLARED, False),
    ("stated alone, no", STATES_NO, WHY, NO, Basis.DECLARED, False),
    ("alike", STATES_YES, Observed(value=True), YES, Basis.OBSERVED, False),
    ("the place is worse", STATES_YES, Observed(value=False), NO, Basis.OBSERVED, True),
    ("the runbook is worse", STATES_NO, Observed(value=True), NO, Basis.DECLARED, True),
    ("no clear answer", STATES_YES, Observed(value="On"), DUNNO, Basis.NONE, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "fact", "answer", "basis", "apart"),
    [row[1:] for row in _STATED],
    ids=[row[0] for row in _STATED],
)
def test_the_stricter_of_two_counts_and_a_disagreement_is_told(
    claims: Claims, fact: Observed, answer: Answer, basis: Basis, apart: bool
) -> None:
    found = judged(stated=Stated(states=claims), source={"versioned": fact})
    versioned = found.finding(Criterion.VERSIONED)
    assert (versioned.answer, versioned.basis) == (answer, basis)
    assert [each.fact for each in found.disagreements] == (["versioned"] if apart else [])
    assert any("disagree on versioned" in reason for reason in found.reasons) is apart
    both = claims.versioned is not None and isinstance(fact.value, bool)
    assert ("versioned" in found.agreed) is (both and not apart)


@pytest.mark.parametrize(
    ("declared", "source", "facts"),
    [
        (changed(AWAY, account="1111-2222-3333"), {"account": Observed(value="111122223333")}, []),
        (AWAY, {"account": Observed(value="999")}, ["account"]),
        (AWAY, {"account": WHY, "region": Observed(value="eu-west-1")}, []),
        (changed(AWAY, region="eu-west-1"), {"region": Observed(value="us-east-1")}, ["region"]),
        (changed(AWAY, region="EU-West-1"), {"region": Observed(value="eu-west-1")}, []),
        (AWAY, {"resource": "another-bucket"}, ["resource"]),
        (AWAY, {"resource": "/mnt/backups"}, []),
        (changed(AWAY, account="a\x1b"), {"account": Observed(value="b\x1b")}, ["account"]),
    ],
)
def test_names_that_disagree(declared: Any, source: dict[str, Any], facts: list[str]) -> None:
    found = judged(declared=declared, source=source)
    assert [each.fact for each in found.disagreements] == facts
    assert "\x1b" not in "".join(each.words for each in found.disagreements)


def test_a_place_that_answers_as_production_is_shared_whatever_is_stated() -> None:
    found = judged(
        declared=changed(AWAY, provider="railway", account="other"),
        source={"account": Observed(value="acme")},
        require=(Criterion.ACCOUNT,),
    )
    assert found.verdict is Verdict.SHARED
    assert [each.fact for each in found.disagreements] == ["account"]


_EXPIRY = [
    (Stated(purged_by=("purge",)), Observed(), DUNNO),
    (Stated(purged_by=("purge",), states=Claims(expires_after_days=30)), Observed(), YES),
    (Stated(states=Claims(expires_after_days=3)), Observed(value=90), NO),
    (Stated(states=Claims(expires_after_days=90)), Observed(value=3), NO),
    (Stated(states=Claims(expires_after_days=90)), WHY, YES),
    (Stated(states=Claims(expires_after_days=90)), Observed(value="x"), DUNNO),
]


@pytest.mark.parametrize(("stated", "fact", "answer"), _EXPIRY)
def test_the_sooner_expiry_counts(stated: Stated, fact: Observed, answer: Answer) -> None:
    found = judged(stated=stated, source={"expires_after_days": fact})
    assert found.finding(Criterion.LIFECYCLE).answer is answer


_EACH = [
    (NOW + timedelta(days=3), Observed(value=None), NO, "its place removes it at"),
    (NOW + timedelta(days=90), Observed(value=None), YES, "its place removes it not before"),
    (NOW + timedelta(days=90), WHY, YES, "its place removes it not before"),
    (NOW + timedelta(days=90), Observed(value=3), NO, "a rule removes it 3 days"),
]


@pytest.mark.parametrize(("ends", "fact", "answer", "words"), _EACH)
def test_the_expiry_of_the_copy_itself_counts(
    ends: datetime, fact: Observed, answer: Answer, words: str
) -> None:
    found = judged(expires_at=ends, source={"expires_after_days": fact})
    finding = found.finding(Criterion.LIFECYCLE)
    assert (finding.answer, finding.basis) == (answer, Basis.OBSERVED)
    assert words in finding.reason


def test_a_stated_expiry_is_declared() -> None:
    found = judged(
        stated=Stated(states=Claims(expires_after_days=90)), source={"expires_after_days": WHY}
    )
    assert found.finding(Criterion.LIFECYCLE).basis is Basis.DECLARED


# --- gone but recoverable ----------------------------------------------------------------------

BACK = "aws rds start-something --id x"


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, Verdict.RECOVERABLE),
        ({"source": {"resource": "vol-7f3a"}}, Verdict.RECOVERABLE),
        ({"declared": LEAKED, "require": (Criterion.CREDENTIAL,)}, Verdict.RECOVERABLE),
        ({"require": ()}, Verdict.RECOVERABLE),
        ({"bytes": ByteFact(state="damaged")}, Verdict.DAMAGED),
        ({"still_there": False}, Verdict.DESTROYED),
    ],
)
def test_what_can_be_brought_back_is_a_state_of_its_own(
    more: dict[str, Any], verdict: Verdict
) -> None:
    found = judged(recoverable=BACK, **more)
    assert found.verdict is verdict
    assert found.recoverable == BACK
    if verdict is Verdict.RECOVERABLE:
        assert found.reasons[0] == BEGINS["bin"] + BACK


def test_the_way_back_of_a_hidden_version_stands_with_it() -> None:
    hidden = judged(hidden_by_delete_marker=True, unhide="aws s3api \x1b").finding(
        Criterion.VISIBLE
    )
    assert "back for everybody: aws s3api \\x1b" in hidden.reason
