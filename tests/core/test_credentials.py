"""Tables for what a found credential can destroy, and which one, or which place, takes everything."""

import pytest

from drbook.core.credentials import (
    PRODUCTION,
    Exposed,
    Found,
    Might,
    Power,
    Stated,
    Thing,
    expose,
    gaps,
    undecided,
    unstated,
)
from drbook.core.kills import kills
from drbook.core.points import Answer, Basis, CredentialPlace, FailureDomain
from drbook.core.roles import RoleFacts, power_of

YES, NO, DUNNO = Might.DESTROYS, Might.CANNOT, Might.UNKNOWN
PLACES = {
    "deploy": CredentialPlace(stored_in=("laptops", "env:DEPLOY")),
    "writer": CredentialPlace(stored_in=("backup-host", "env:WRITER")),
    "admin": CredentialPlace(stored_in=("env:ADMIN",), reads=("backup-host",)),
    "loose": CredentialPlace(),
}


def found(name: str, place: str = "environment", print_: str | None = None, *marks: str) -> Found:
    fingerprint = print_ or name.lower()
    return Found(
        kind="token",
        name=name,
        place=place,
        readers="its owner",
        fingerprint=fingerprint,
        marks=frozenset({f"env:{name}", f"print:{fingerprint}", *marks}),
    )


def production(*credentials: str, **more: object) -> Thing:
    return Thing(PRODUCTION, FailureDomain(resource="vol", credentials=credentials), **more)  # type: ignore[arg-type]


def copies(
    *credentials: str, id: str = "offsite", independent: bool = True, lock: Answer = Answer.FAIL
) -> Thing:
    domain = FailureDomain(resource=id, credentials=credentials)
    return Thing(id, domain, independent=independent, lock=lock)


def powers(one: Found, stated: Stated, *beside: Found) -> tuple[Might, ...]:
    return tuple(power.might for power in expose([one, *beside], stated)[0].powers)


APART = (production("deploy"), copies("writer"))
POWERS = [
    ("the deploy token", found("DEPLOY"), APART, (YES, NO)),
    ("the writer", found("WRITER"), APART, (NO, YES)),
    ("one that nothing names", found("OTHER"), APART, (DUNNO, DUNNO)),
    ("the same value elsewhere", found("COPY", "x", "deploy"), APART, (YES, NO)),
    ("one that reads where the writer lies", found("ADMIN"), (production("deploy", "admin"), copies("writer")), (YES, YES)),
    ("copies that nothing can delete", found("OTHER"), (production("deploy"), copies()), (DUNNO, NO)),
    ("where the deleter lies is not stated", found("DEPLOY"), (production("deploy"), copies("loose")), (YES, DUNNO)),
    ("a lock that was tried", found("WRITER"), (production("deploy"), copies("writer", lock=Answer.PASS)), (NO, NO)),
    ("a lock that was not tried", found("WRITER"), (production("deploy"), copies("writer", lock=Answer.UNKNOWN)), (NO, DUNNO)),
    ("deleters are not stated", found("DEPLOY"), (production("deploy"), Thing("offsite", FailureDomain())), (YES, DUNNO)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "one", "things", "expected"), POWERS, ids=[row[0] for row in POWERS]
)
def test_power(
    why: str, one: Found, things: tuple[Thing, ...], expected: tuple[Might, ...]
) -> None:
    beside = (found("DEPLOY"),) if one.name == "COPY" else ()
    assert powers(one, Stated(things, PLACES), *beside) == expected


def test_one_deleter_more_never_makes_a_thing_safer() -> None:
    worse = {NO: 0, DUNNO: 1, YES: 2}
    for _, one, things, _ in POWERS:
        for name in PLACES:
            before = expose([one], Stated(things, PLACES))[0].powers
            more = []
            for thing in things:
                known = thing.domain.credentials
                wider = None if known is None else (*known, name)
                domain = thing.domain.model_copy(update={"credentials": wider})
                more.append(Thing(thing.id, domain, independent=thing.independent, lock=thing.lock))
            after = expose([one], Stated(more, PLACES))[0].powers
            for was, is_ in zip(before, after, strict=True):
                assert worse[is_.might] >= worse[was.might], (one.name, name, was, is_)


def test_whoever_destroys_production_reads_what_it_reads() -> None:
    domain = FailureDomain(resource="vol", credentials=("deploy",), reads=("backup-host",))
    stated = Stated((Thing(PRODUCTION, domain), copies("writer")), PLACES)
    assert powers(found("DEPLOY"), stated) == (YES, YES)
    apart = {**PLACES, "reader": CredentialPlace(stored_in=("env:READER",))}
    assert powers(found("READER"), Stated(stated.things, apart)) == (NO, NO)


ASKED = Power(thing=PRODUCTION, might=YES, basis=Basis.OBSERVED, reason="superuser")
OPENS = frozenset({"env:LOGIN", "service:shop"})


@pytest.mark.parametrize("might", list(Might))
def test_what_the_server_says_holds_for_the_login_that_asked(might: Might) -> None:
    asked = ASKED.model_copy(update={"might": might})
    stated = Stated((production("deploy", uses=OPENS), copies("writer")), PLACES, asked)
    assert powers(found("LOGIN"), stated) == (might, DUNNO)
    assert powers(found("OTHER"), stated) == (DUNNO, DUNNO)


def test_of_several_logins_by_one_name_nobody_knows_which_was_asked() -> None:
    harmless = ASKED.model_copy(update={"might": NO})
    stated = Stated((production("deploy", uses=OPENS), copies("writer")), PLACES, harmless)
    assert powers(found("LOGIN"), stated, found("B", "x", None, "service:shop"))[0] is DUNNO


def test_what_the_server_says_does_not_take_back_what_the_runbook_states() -> None:
    harmless = ASKED.model_copy(update={"might": NO})
    uses = frozenset({"env:DEPLOY"})
    stated = Stated((production("deploy", uses=uses), copies("writer")), PLACES, harmless)
    assert powers(found("DEPLOY"), stated)[0] is YES


def killed(things: tuple[Thing, ...], *held: Found) -> list[tuple[str, tuple[str, ...]]]:
    stated = Stated(things, PLACES)
    return [(kill.what, kill.fingerprints) for kill in kills(expose(held, stated), stated)]


ADMIN = (production("deploy", "admin"), copies("writer"))
KILLS = [
    ("apart", APART, (found("DEPLOY"),), []),
    ("one for all", ADMIN, (found("ADMIN"), found("OTHER")), [("one credential", ("admin",))]),
    ("the same in two places is said once", ADMIN, (found("ADMIN"), found("C", "f", "admin")), [("one credential", ("admin",))]),
    ("both in the environment", APART, (found("DEPLOY"), found("WRITER")), [("this process's environment", ("deploy", "writer"))]),
    ("both in a file", APART, (found("DEPLOY"), found("WRITER", "f"), found("D", "f", "deploy")), [("one file", ("deploy", "writer"))]),
    ("in two places of this machine", APART, (found("DEPLOY"), found("WRITER", "f")), [("this machine", ("deploy", "writer"))]),
    ("a second copy survives", (*APART, copies("loose", id="vault")), (found("DEPLOY"), found("WRITER")), []),
    ("a second one that is not independent does not", (*APART, copies("loose", id="vault", independent=False)), (found("DEPLOY"), found("WRITER")), [("this process's environment", ("deploy", "writer"))]),
    ("none looks independent: all count", (production("deploy"), copies("deploy", independent=False)), (found("DEPLOY"),), [("one credential", ("deploy",))]),
    ("a tried lock survives", (production("deploy"), copies("deploy", lock=Answer.PASS)), (found("DEPLOY"),), []),
    ("a lock that may hold is not said to fall", (production("deploy"), copies("deploy", lock=Answer.UNKNOWN)), (found("DEPLOY"),), []),
    ("there are no copies", (production("deploy"),), (found("DEPLOY"),), [("one credential", ("deploy",))]),
    ("nothing was found", APART, (), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "things", "held", "expected"), KILLS, ids=[row[0] for row in KILLS]
)
def test_what_takes_everything(
    why: str,
    things: tuple[Thing, ...],
    held: tuple[Found, ...],
    expected: list[tuple[str, tuple[str, ...]]],
) -> None:
    assert killed(things, *held) == expected


def shown(*held: Found) -> tuple[Exposed, ...]:
    return expose(held, Stated(APART, PLACES))


def test_what_could_not_be_told_is_counted() -> None:
    assert undecided(shown(found("DEPLOY"))) == ""
    assert "1 credential " in undecided(shown(found("DEPLOY"), found("OTHER")))


def test_a_place_that_is_not_stated() -> None:
    assert unstated(shown(found("DEPLOY")), PLACES) == []
    (said,) = unstated(shown(found("DEPLOY"), found("C", "f", "deploy")), PLACES)
    assert said == "deploy also lies in f"


def test_what_the_runbook_leaves_open_is_said() -> None:
    assert gaps(Stated(APART, PLACES)) == []
    open_ends = (
        production("deploy", "ghost"),
        Thing("offsite", FailureDomain()),
        copies("loose", "ghost"),
    )
    assert gaps(Stated(open_ends, PLACES)) == [
        "where ghost is stored is not stated",
        "offsite: which credentials can delete it is not stated",
        "where loose is stored is not stated",
    ]


def test_marks_are_in_no_document() -> None:
    assert "env:" not in found("DEPLOY").model_dump_json()
    assert "env:" not in repr(found("DEPLOY"))


FACTS = [name for name in RoleFacts.model_fields if name != "database"]
NOTHING = dict.fromkeys(FACTS, False)
DEADLY = ("superuser", "owns_database", "runs_programs", "writes_files", "owns_schemas")
DEADLY += ("owns_tables", "truncates", "writes_tables", "large_objects")
MILD = ("creates_databases", "adds_rows", "moves_sequences")


def test_a_role_that_may_do_nothing_is_the_only_harmless_one() -> None:
    assert power_of(RoleFacts(**NOTHING)).might is NO
    for name in NOTHING:
        told = power_of(RoleFacts(**(NOTHING | {name: True}))).might
        assert told is (YES if name in DEADLY else NO if name in MILD else DUNNO)


MANY = len(FACTS)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[]],
        [["shop"] + ["t"] * (MANY - 1) + [None]],
        [["shop"] + ["t"] * (MANY - 1)],
        [["shop"] + ["t"] * MANY] * 2,
        [["shop"] + ["yes"] * MANY],
    ],
)
def test_an_answer_that_is_none(rows: list[list[str | None]]) -> None:
    with pytest.raises(ValueError, match="one row of booleans"):
        RoleFacts.read(["database", *FACTS], rows)
    with pytest.raises(ValueError, match="one row of booleans"):
        RoleFacts.read([*FACTS, "database"], [["t"] * MANY + ["shop"]])
