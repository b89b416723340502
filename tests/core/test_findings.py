"""Every answer of every criterion with how it is known and why, word by word: an auditor reads these."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.criteria import CRITERIA, MARGIN, Case, lies_in
from drbook.core.points import (
    Answer,
    Basis,
    ByteFact,
    CredentialPlace,
    Criterion,
    FailureDomain,
    LockFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
)
from drbook.core.reach import Reach, leaked_credentials

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
YES, NO, DUNNO = Answer.PASS, Answer.FAIL, Answer.UNKNOWN
SEEN, SAID, DERIVED, NONE = Basis.OBSERVED, Basis.DECLARED, Basis.DERIVED, Basis.NONE
ESC, SAFE = "\x1b", "\\x1b"
"""What must never be shown as it is, and how it is shown."""

LEAKED = Reach({"token": "token has leaked"}, {"token": True, "writer": True})
APART, TAKEN, UNSTATED = ("writer",), ("token",), None


def domain(**fields: Any) -> FailureDomain:
    return FailureDomain(**fields)


def case(
    *,
    facts: dict[str, Any] | None = None,
    source: dict[str, Any] | None = None,
    declared: FailureDomain | None = None,
    production: FailureDomain | None = None,
) -> Case:
    point = RecoveryPoint(
        source="s", id="i", taken_at=NOW - 10 * DAY, taken_by="manifest", size=1, location="l"
    )
    return Case(
        PointFacts(point=point, **(facts or {})),
        SourceFacts(source="s", reachable=True, **(source or {})),
        declared or domain(),
        production or domain(),
        LEAKED,
        NOW,
    )


def answered(criterion: Criterion, **given: Any) -> tuple[Answer, Basis, str]:
    return CRITERIA[criterion](case(**given))


Row = tuple[str | None, FailureDomain, FailureDomain, tuple[Answer, Basis, str]]
"""The place as observed, as declared, production, and the answer."""

_VOLUME = domain(resource="Vol-1", provider="railway")
_FOLDER = domain(resource="/data/pg")
_RESOURCE: dict[str, Row] = {
    "not stated": ("b", domain(resource="b"), domain(), (DUNNO, NONE, "which resource was destroyed is not stated")),
    "declared as it": (None, domain(resource=" vol-1"), _VOLUME, (NO, SAID, "it lies in Vol-1, which was destroyed")),
    "declared as it, observed elsewhere": ("b", domain(resource="vol-1"), _VOLUME, (NO, SAID, "it lies in Vol-1, which was destroyed")),
    "the same name at another provider": ("b", domain(resource="vol-1", provider="aws"), _VOLUME, (YES, SEEN, "it lies in b, not in Vol-1")),
    "observed as it": (" VOL-1", domain(), _VOLUME, (NO, SEEN, "it lies in Vol-1, which was destroyed")),
    "observed as it, at another provider": ("vol-1", domain(provider="aws"), _VOLUME, (YES, SEEN, "it lies in vol-1, not in Vol-1")),
    "at the same provider in other words": ("vol-1", domain(provider=" Railway"), _VOLUME, (NO, SEEN, "it lies in Vol-1, which was destroyed")),
    "observed, and declared elsewhere": ("a", domain(resource="b"), _VOLUME, (YES, SEEN, "it lies in a, not in Vol-1")),
    "a folder in a folder": ("/data/pg/base", domain(), _FOLDER, (NO, SEEN, "it lies in /data/pg, which was destroyed")),
    "the folder itself": ("/data/pg", domain(), _FOLDER, (NO, SEEN, "it lies in /data/pg, which was destroyed")),
    "a folder beside it": ("/data/pg2", domain(), _FOLDER, (YES, SEEN, "it lies in /data/pg2, not in /data/pg")),
    "a folder's name is its case": ("/DATA/pg", domain(), _FOLDER, (YES, SEEN, "it lies in /DATA/pg, not in /data/pg")),
    "no folder, as a folder": ("bucket", domain(), _FOLDER, (YES, SEEN, "it lies in bucket, not in /data/pg")),
    "a folder against a volume, declared": ("/mnt/b", domain(resource="vol-2"), _VOLUME, (YES, SAID, "it lies in vol-2, not in Vol-1")),
    "a folder against a volume": ("/mnt/b", domain(), _VOLUME, (DUNNO, NONE, "which volume or resource holds it is not stated")),
    "only declared": (None, domain(resource="b"), _VOLUME, (YES, SAID, "it lies in b, not in Vol-1")),
    "nothing known": (None, domain(), _VOLUME, (DUNNO, NONE, "which volume or resource holds it is not stated")),
    "hostile, observed": (f"a{ESC}", domain(), domain(resource=f"b{ESC}"), (YES, SEEN, f"it lies in a{SAFE}, not in b{SAFE}")),
    "hostile, declared": (None, domain(resource=f"a{ESC}"), _VOLUME, (YES, SAID, f"it lies in a{SAFE}, not in Vol-1")),
}  # fmt: skip


@pytest.mark.parametrize("name", _RESOURCE)
def test_resource(name: str) -> None:
    seen, declared, production, expected = _RESOURCE[name]
    found = answered(
        Criterion.RESOURCE, source={"resource": seen}, declared=declared, production=production
    )
    assert found == expected


def test_what_is_gone_fails_before_anything_else() -> None:
    found = answered(Criterion.RESOURCE, facts={"still_there": False})
    assert found == (NO, SEEN, "it is not there any more")


_LIES_IN = [
    (domain(resource="VOL "), domain(resource="vol"), True),
    (domain(resource="ｖｏｌ"), domain(resource="VOL"), True),
    (domain(resource="vol"), domain(resource="other"), False),
    (domain(), domain(resource="vol"), False),
    (domain(resource="vol"), domain(), False),
    (domain(), domain(), False),
    (domain(resource="vol", provider="aws"), domain(resource="vol", provider="Aws "), True),
    (domain(resource="vol", provider="AWS "), domain(resource="vol", provider="aws"), True),
    (domain(resource="vol", provider="aws"), domain(resource="vol", provider="gcp"), False),
    (domain(resource="vol"), domain(resource="vol", provider="gcp"), True),
]


@pytest.mark.parametrize(("declared", "lost", "inside"), _LIES_IN)
def test_what_the_runbook_says_lay_in_it(
    declared: FailureDomain, lost: FailureDomain, inside: bool
) -> None:
    assert lies_in(declared, lost) is inside


_ACME = domain(account="acme")
_PROJECT = domain(account="acme", project="Prod")
_ACCOUNT: dict[str, tuple[Any, FailureDomain, FailureDomain, tuple[Answer, Basis, str]]] = {
    "production's not stated": ("a", domain(account="b"), domain(), (DUNNO, NONE, "production's account is not stated")),
    "production's is blank": ("a", domain(account="b"), domain(account=" "), (DUNNO, NONE, "production's account is not stated")),
    "neither": (Observed(why=f"denied{ESC}"), domain(), _ACME, (DUNNO, NONE, f"its account is neither observed (denied{SAFE}) nor stated")),
    "an answer that is no name": (Observed(value=5), domain(), _ACME, (DUNNO, NONE, "its account is neither observed () nor stated")),
    "a blank answer": (Observed(value=" "), domain(account=" "), _ACME, (DUNNO, NONE, "its account is neither observed () nor stated")),
    "observed as its own": (Observed(value="ACME"), domain(account="other"), _ACME, (NO, SEEN, "it is in production's own account acme")),
    "declared as its own, observed elsewhere": (Observed(value="other"), domain(account="acme"), _ACME, (NO, SAID, "it is in production's own account acme")),
    "numbers as they are written": (Observed(value="1111 2222-3333"), domain(), domain(account="111122223333"), (NO, SEEN, "it is in production's own account 111122223333")),
    "letters keep their hyphens": (Observed(value="ac-me"), domain(), _ACME, (YES, SEEN, "it is in account ac-me, production in acme")),
    "the same project": (Observed(value="acme"), domain(project=" prod"), _PROJECT, (NO, SEEN, "it is in production's own account acme, and project Prod")),
    "the same project in other words": (Observed(value="acme"), domain(project="Prod"), domain(account="acme", project="prod "), (NO, SEEN, "it is in production's own account acme, and project prod ")),
    "another project": (Observed(value="acme"), domain(project="staging"), _PROJECT, (NO, SEEN, "it is in production's own account acme")),
    "its project not stated": (Observed(value="acme"), domain(), _PROJECT, (NO, SEEN, "it is in production's own account acme")),
    "production's project not stated": (Observed(value="acme"), domain(project="none"), _ACME, (NO, SEEN, "it is in production's own account acme")),
    "neither project stated": (Observed(value="acme"), domain(), _ACME, (NO, SEEN, "it is in production's own account acme")),
    "at another provider": (Observed(value="acme"), domain(provider="aws"), domain(account="acme", provider="gcp"), (YES, SEEN, "it is in account acme at aws, production in acme")),
    "at the same provider": (Observed(value="x"), domain(provider="gcp"), domain(account="acme", provider="GCP"), (YES, SEEN, "it is in account x, production in acme")),
    "only declared": (Observed(why="denied"), domain(account="x"), _ACME, (YES, SAID, "it is in account x, production in acme")),
    "observed and declared alike": (Observed(value="1-2"), domain(account="12"), _ACME, (YES, SEEN, "it is in account 1-2, production in acme")),
    "observed otherwise than declared": (Observed(value="x"), domain(account=f"y{ESC}"), _ACME, (YES, SEEN, "it is in account x, production in acme")),
    "hostile": (Observed(value=f"x{ESC}"), domain(provider=f"p{ESC}"), domain(account=f"a{ESC}", provider="q"), (YES, SEEN, f"it is in account x{SAFE} at p{SAFE}, production in a{SAFE}")),
    "hostile inside": (Observed(value=f"a{ESC}"), domain(project=f"p{ESC}"), domain(account=f"a{ESC}", project=f"p{ESC}"), (NO, SEEN, f"it is in production's own account a{SAFE}, and project p{SAFE}")),
}  # fmt: skip


@pytest.mark.parametrize("name", _ACCOUNT)
def test_account(name: str) -> None:
    seen, declared, production, expected = _ACCOUNT[name]
    account = seen if isinstance(seen, Observed) else Observed(value=seen)
    found = answered(
        Criterion.ACCOUNT, source={"account": account}, declared=declared, production=production
    )
    assert found == expected


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (TAKEN, (NO, SAID, "token has leaked")),
        (APART, (YES, SAID, "writer is stored apart from everything that leaked")),
        ((), (YES, SAID, "no credential can delete it, as the runbook states")),
        (UNSTATED, (DUNNO, NONE, "which credentials can delete it is not stated")),
    ],
)
def test_credential(credentials: Any, expected: Any) -> None:
    assert answered(Criterion.CREDENTIAL, declared=domain(credentials=credentials)) == expected


def held(mode: Any = None, until: datetime | None = None, **more: Any) -> LockFact:
    return LockFact(mode=mode, until=until, **more)


_SOON, _LATER = NOW + 2 * DAY, NOW + 30 * DAY
_EDGE = NOW + MARGIN
_OUTLIVES = "for 7 more days at least, until"
_COMPLIANCE = "compliance lock, "
_BEFORE = "; what leaked cannot delete this version before that"
_LOCKS: dict[str, tuple[LockFact, Any, Any, Any]] = {
    "unknown": (held(why_unknown=f"denied{ESC}"), APART, (DUNNO, NONE, f"its lock is unknown: denied{SAFE}"), (DUNNO, NONE, f"its lock is unknown: denied{SAFE}")),
    "none": (held(), APART, (NO, SEEN, "it is not locked"), (NO, SEEN, "it is not locked")),
    "a mode without an end": (held("GOVERNANCE"), APART, (NO, SEEN, "it is not locked"), (NO, SEEN, "it is not locked")),
    "an end without a mode": (held(None, _LATER), APART, (NO, SEEN, "it is not locked"), (NO, SEEN, "it is not locked")),
    "compliance": (held("COMPLIANCE", _LATER), APART, (YES, SAID, _COMPLIANCE + "locked until 2026-12-23 12:00:00 UTC; that the place enforces it was not tried"), (YES, SAID, f"{_COMPLIANCE}{_OUTLIVES} 2026-12-23 12:00:00 UTC; that the place enforces it was not tried")),
    "compliance, reach unknown": (held("COMPLIANCE", _LATER), UNSTATED, (YES, SAID, _COMPLIANCE + "locked until 2026-12-23 12:00:00 UTC; that the place enforces it was not tried"), (YES, SAID, f"{_COMPLIANCE}{_OUTLIVES} 2026-12-23 12:00:00 UTC; that the place enforces it was not tried")),
    "compliance, leaked": (held("COMPLIANCE", _LATER), TAKEN, (YES, SAID, f"{_COMPLIANCE}locked until 2026-12-23 12:00:00 UTC{_BEFORE}; that the place enforces it was not tried"), (YES, SAID, f"{_COMPLIANCE}{_OUTLIVES} 2026-12-23 12:00:00 UTC{_BEFORE}; that the place enforces it was not tried")),
    "compliance, ends soon": (held("COMPLIANCE", _SOON), APART, (YES, SAID, _COMPLIANCE + "locked until 2026-11-25 12:00:00 UTC; that the place enforces it was not tried"), (NO, SEEN, "its compliance lock ends soon, at 2026-11-25 12:00:00 UTC")),
    "compliance, ends with the margin": (held("COMPLIANCE", _EDGE), APART, (YES, SAID, _COMPLIANCE + "locked until 2026-11-30 12:00:00 UTC; that the place enforces it was not tried"), (NO, SEEN, "its compliance lock ends soon, at 2026-11-30 12:00:00 UTC")),
    "compliance, just beyond it": (held("COMPLIANCE", _EDGE + SECOND), APART, (YES, SAID, _COMPLIANCE + "locked until 2026-11-30 12:00:01 UTC; that the place enforces it was not tried"), (YES, SAID, f"{_COMPLIANCE}{_OUTLIVES} 2026-11-30 12:00:01 UTC; that the place enforces it was not tried")),
    "compliance, ends now": (held("COMPLIANCE", NOW), APART, (NO, SEEN, "its compliance lock ended at 2026-11-23 12:00:00 UTC"), (NO, SEEN, "its compliance lock ended at 2026-11-23 12:00:00 UTC")),
    "compliance, ends in a second": (held("COMPLIANCE", NOW + SECOND), APART, (YES, SAID, _COMPLIANCE + "locked until 2026-11-23 12:00:01 UTC; that the place enforces it was not tried"), (NO, SEEN, "its compliance lock ends soon, at 2026-11-23 12:00:01 UTC")),
    "governance, apart": (held("GOVERNANCE", _LATER), APART, (YES, DERIVED, "a governance lock, which nothing that leaked can lift"), (YES, DERIVED, "a governance lock, which nothing that leaked can lift")),
    "governance, leaked": (held("GOVERNANCE", _LATER), TAKEN, (NO, DERIVED, "a governance lock, which what leaked may lift"), (NO, DERIVED, "a governance lock, which what leaked may lift")),
    "governance, reach unknown": (held("GOVERNANCE", _LATER), UNSTATED, (DUNNO, DERIVED, "a governance lock; whether what leaked can lift it is not known"), (DUNNO, DERIVED, "a governance lock; whether what leaked can lift it is not known")),
    "governance, ended": (held("GOVERNANCE", NOW - DAY), APART, (NO, SEEN, "its governance lock ended at 2026-11-22 12:00:00 UTC"), (NO, SEEN, "its governance lock ended at 2026-11-22 12:00:00 UTC")),
    "legal hold": (held(legal_hold=True), APART, (YES, DERIVED, "a legal hold, which nothing that leaked can lift"), (YES, DERIVED, "a legal hold, which nothing that leaked can lift")),
    "legal hold, leaked": (held(legal_hold=True), TAKEN, (NO, DERIVED, "a legal hold, which what leaked may lift"), (NO, DERIVED, "a legal hold, which what leaked may lift")),
    "legal hold on an ended lock": (held("COMPLIANCE", NOW - DAY, legal_hold=True), UNSTATED, (DUNNO, DERIVED, "a legal hold; whether what leaked can lift it is not known"), (DUNNO, DERIVED, "a legal hold; whether what leaked can lift it is not known")),
}  # fmt: skip


@pytest.mark.parametrize("name", _LOCKS)
def test_locks(name: str) -> None:
    lock, credentials, now, later = _LOCKS[name]
    given: Any = {"facts": {"lock": lock}, "declared": domain(credentials=credentials)}
    assert answered(Criterion.LOCKED, **given) == now
    assert answered(Criterion.LOCK_OUTLIVES, **given) == later


@pytest.mark.parametrize(
    ("mode", "tried", "expected"),
    [
        ("COMPLIANCE", True, (YES, SEEN)),
        ("COMPLIANCE", False, (NO, SEEN)),
        ("COMPLIANCE", "odd", (NO, SEEN)),
        ("COMPLIANCE", None, (YES, SAID)),
        ("GOVERNANCE", False, (NO, SEEN)),
        ("GOVERNANCE", True, (YES, DERIVED)),
        (None, False, (NO, SEEN)),
    ],
)
def test_a_lock_is_known_by_what_was_tried(mode: Any, tried: Any, expected: Any) -> None:
    fact = Observed(why="not tried") if tried is None else Observed(value=tried)
    given: Any = {
        "facts": {"lock": LockFact(mode=mode, until=NOW + 30 * DAY if mode else None)},
        "source": {"lock_enforced": fact, "lock_default": Observed(value=True)},
        "declared": domain(credentials=APART),
    }
    found = answered(Criterion.LOCKED, **given)
    assert found[:2] == expected
    assert ("deleted a locked object" in found[2]) is (
        mode is not None and tried not in (None, True)
    )


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        (None, (DUNNO, NONE, "whether a delete marker hides it is not known")),
        (True, (NO, SEEN, "missing but recoverable: a delete marker hides it, the version is still there")),
        (False, (YES, SEEN, "no delete marker hides it")),
    ],
)  # fmt: skip
def test_visible(hidden: bool | None, expected: Any) -> None:
    assert answered(Criterion.VISIBLE, facts={"hidden_by_delete_marker": hidden}) == expected


_YES_NO = [
    (Criterion.VERSIONED, "versioned", True, (YES, SEEN, "overwrites and deletes keep the version before")),
    (Criterion.VERSIONED, "versioned", False, (NO, SEEN, "an overwrite or delete leaves nothing behind: the place is not versioned")),
    (Criterion.VERSIONED, "versioned", None, (DUNNO, NONE, "its versioning is unknown: the store gave no clear answer")),
    (Criterion.VERSIONED, "versioned", f"!{ESC}", (DUNNO, NONE, f"its versioning is unknown: {SAFE}")),
    (Criterion.REPLICATION, "deletes_replicated", False, (YES, SEEN, "its own configuration replicates no deletes")),
    (Criterion.REPLICATION, "deletes_replicated", True, (NO, SEEN, "deletes are replicated")),
    (Criterion.REPLICATION, "deletes_replicated", "!denied", (DUNNO, NONE, "its replication is unknown: denied")),
    (Criterion.REPLICATION, "deletes_replicated", "yes", (DUNNO, NONE, "its replication is unknown: the store gave no clear answer")),
    (Criterion.POLICY, "policy_limits_deletes", True, (YES, SEEN, "a policy denies deletes to all but named principals")),
    (Criterion.POLICY, "policy_limits_deletes", False, (NO, SEEN, "no policy limits who may delete")),
    (Criterion.POLICY, "policy_limits_deletes", "!denied", (DUNNO, NONE, "its policy is unknown: denied")),
    (Criterion.LIFECYCLE, "expires_after_days", "!denied", (DUNNO, NONE, "its expiry is unknown: denied")),
    (Criterion.LIFECYCLE, "expires_after_days", f"!{ESC}", (DUNNO, NONE, f"its expiry is unknown: {SAFE}")),
    (Criterion.LIFECYCLE, "expires_after_days", None, (YES, SEEN, "no rule removes it")),
    (Criterion.LIFECYCLE, "expires_after_days", "30", (DUNNO, NONE, "its expiry is unknown: the store's answer is no number")),
    (Criterion.LIFECYCLE, "expires_after_days", True, (DUNNO, NONE, "its expiry is unknown: the store's answer is no number")),
    (Criterion.LIFECYCLE, "expires_after_days", 10**9, (YES, SEEN, "a rule removes it only after 1000000000 days")),
    (Criterion.LIFECYCLE, "expires_after_days", 18, (YES, SEEN, "a rule removes it not before 2026-12-01 12:00:00 UTC")),
    (Criterion.LIFECYCLE, "expires_after_days", 17, (NO, SEEN, "a rule removes it 17 days after it was stored: about 2026-11-30 12:00:00 UTC")),
]  # fmt: skip


@pytest.mark.parametrize(("criterion", "field", "value", "expected"), _YES_NO)
def test_facts_of_the_place(criterion: Criterion, field: str, value: Any, expected: Any) -> None:
    """A text after `!` is why nobody knows."""
    unknown = isinstance(value, str) and value.startswith("!")
    fact = Observed(why=value[1:]) if unknown else Observed(value=value)
    assert answered(criterion, source={field: fact}) == expected


_BYTES = [
    ("intact", "", (YES, SEEN, "its digest matches")),
    ("intact", "sha256 as recorded", (YES, SEEN, "sha256 as recorded")),
    ("damaged", "", (NO, SEEN, "damaged")),
    ("damaged", f"cut{ESC}", (NO, SEEN, f"damaged: cut{SAFE}")),
    ("structure", "", (DUNNO, SEEN, "read to its end; its content is unproven")),
    ("structure", "listed", (DUNNO, SEEN, "listed")),
    ("unread", "", (DUNNO, NONE, "its bytes were not looked at")),
    ("unknown", "denied", (DUNNO, NONE, "denied")),
]


@pytest.mark.parametrize(("state", "reason", "expected"), _BYTES)
def test_bytes(state: Any, reason: str, expected: Any) -> None:
    found = answered(Criterion.BYTES, facts={"bytes": ByteFact(state=state, reason=reason)})
    assert found == expected


# --- reach -------------------------------------------------------------------------------------


def at(*stored: str, reads: tuple[str, ...] = ()) -> CredentialPlace:
    return CredentialPlace(stored_in=stored, reads=reads)


def test_how_each_credential_leaked_is_told_with_the_whole_way() -> None:
    reach = leaked_credentials(
        domain(credentials=("Root Token",), reads=("CI",)),
        {
            "root token": at("Laptops"),
            "Deploy": at("ci"),
            "Writer": at("laptops", reads=("Vault",)),
            "Master": at("elsewhere", "VAULT"),
            "Apart": at("safe"),
            "Open": CredentialPlace(),
        },
    )
    writer = "Writer is stored in Laptops, where Root Token is stored too"
    assert reach == Reach(
        {
            "root token": "Root Token is one of production's own credentials",
            "deploy": "Deploy is stored in CI, which whoever holds production can read",
            "writer": writer,
            "master": f"Master is stored in Vault, which Writer can read; {writer}",
        },
        {
            "root token": True,
            "deploy": True,
            "writer": True,
            "master": True,
            "apart": True,
            "open": False,
        },
        "",
        {
            "root token": ("Laptops",),
            "deploy": ("ci",),
            "writer": ("laptops",),
            "master": ("elsewhere", "VAULT"),
            "apart": ("safe",),
        },
        {
            "ci": "CI, which whoever holds production can read",
            "laptops": "Laptops, where Root Token is stored too",
            "vault": f"Vault, which Writer can read; {writer}",
            "elsewhere": f"elsewhere, where Master is stored too; Master is stored in Vault, which Writer can read; {writer}",
        },
    )


def test_what_the_operator_names_takes_the_place_of_productions() -> None:
    places = {"a": at("x"), "b": at("y")}
    reach = leaked_credentials(domain(credentials=("a",)), places, ["B"])
    assert reach.leaked == {"b": "B has leaked, as the operator says"}
    assert reach.unknown == ""
    assert leaked_credentials(domain(credentials=("a",)), places, []).leaked == {}


def test_what_lies_beside_a_credential_without_storage_is_open() -> None:
    places = {"b": CredentialPlace(reads=("vault",)), "c": at("vault"), "d": at("z")}
    reach = leaked_credentials(domain(credentials=("X", "b", "a")), places)
    assert reach.leaked["c"] == "c is stored in vault, which b can read"
    assert reach.unknown == "what lies beside X, a, b is not stated"
    assert reach.judge(["d"]) == (DUNNO, "what lies beside X, a, b is not stated")
    assert reach.judge(["C"]) == (NO, "c is stored in vault, which b can read")


def test_a_credential_without_an_entry_does_not_hide_what_the_others_reach() -> None:
    """Whatever their order: each that has an entry is followed."""
    for first in (("none", "known"), ("known", "none")):
        reach = leaked_credentials(domain(credentials=first), {"known": at("x"), "other": at("X")})
        assert "other" in reach.leaked


def test_names_are_one_in_every_spelling() -> None:
    places = {"ＴＯＫＥＮ": at("ＬＡＰ"), "Writer": at("lap ")}
    reach = leaked_credentials(domain(credentials=(" Token",)), places)
    assert reach.judge(["WRITER"])[0] is NO
    assert reach.judge([" writer "])[0] is NO


def test_production_that_nobody_described_leaves_the_reach_unknown() -> None:
    reach = leaked_credentials(domain(), {"w": at("x")})
    why = "which credential destroyed production is not stated"
    assert reach == Reach({}, {"w": True}, why, {"w": ("x",)})
    assert reach.judge(["w"]) == (DUNNO, "which credential destroyed production is not stated")


def test_nothing_leaked_is_said_as_what_it_is() -> None:
    reach = leaked_credentials(domain(credentials=()), {})
    assert reach.unknown == ""
    assert reach.judge(["w", f"v{ESC}"]) == (
        YES,
        f"no credential is stated to have leaked; w, v{SAFE} can delete it",
    )


def test_each_unstated_storage_is_named() -> None:
    reach = Reach({"token": "it leaked"}, {"a": True, "b": False})
    assert reach.judge(["a", "B", "c"]) == (DUNNO, "where B, c is stored is not stated")
    assert reach.judge(["a"]) == (YES, "a is stored apart from everything that leaked")
    assert Reach({}, {}).unknown == ""


def test_hostile_names_are_shown_plain() -> None:
    reach = leaked_credentials(
        domain(credentials=(f"t{ESC}",), reads=(f"r{ESC}",)),
        {f"t{ESC}": at(f"p{ESC}"), f"w{ESC}": at(f"p{ESC}"), f"v{ESC}": at(f"r{ESC}")},
    )
    assert ESC not in "".join(reach.leaked.values())
    assert reach.leaked[f"w{ESC}"] == f"w{SAFE} is stored in p{SAFE}, where t{SAFE} is stored too"
    odd = leaked_credentials(domain(credentials=(f"t{ESC}",)), {})
    assert odd.unknown == f"what lies beside t{SAFE} is not stated"
    entered = leaked_credentials(domain(credentials=("a",), reads=("r",)), {f"z{ESC}": at("r")})
    assert entered.leaked[f"z{ESC}"].startswith(f"z{SAFE} is stored in r")
