"""Rule 2 as tables: what is known in, a proof or a refusal with its code out."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError
from support.identities import ELSEWHERE, FAR, HERE, THEN, live, recorded, who

from drbook.core.baseline import Baseline, Identity, Place, TableCounts
from drbook.core.errors import Refused
from drbook.core.freshness import (
    Answer,
    FoundObject,
    of_this_production,
    prove_empty,
    prove_other_server,
    prove_same_target,
)
from drbook.core.ports import ProductionIdentity
from drbook.core.refusals import REFUSALS
from drbook.core.targets import DatabaseRef, Target

OTHER = "7000000000000000002"
LATER = THEN + timedelta(hours=1)
COPY = who(place=ELSEWHERE, started=LATER)
"""A physical copy in a directory of its own, which shares the system identifier."""

SERVERS = {
    # name: (given, pooled, production, expected code; "" is proven)
    "another server, production answers": (who(OTHER), False, [live(who())], ""),
    "another server, its baseline is production's": (who(OTHER), False, [recorded(who())], ""),
    "another server, nothing known": (who(OTHER), False, [], "production-identity-unknown"),
    "another server, the baseline is somebody's": (
        who(OTHER), False, [recorded(who(), ours=False)], "production-identity-unknown",
    ),
    "another server, only a directory is declared": (
        who(OTHER), False, [ProductionIdentity("declared", "volume", directory=HERE)],
        "production-identity-unknown",
    ),
    "somebody's baseline is the given server's": (
        who(OTHER), False, [live(who()), recorded(who(OTHER), ours=False)], "target-is-production",
    ),
    "an older baseline is the given server's": (
        who(OTHER, oid=5, database="postgres"), False, [live(who()), recorded(who(OTHER))],
        "target-in-production-cluster",
    ),
    "another server behind a pooler": (
        who(OTHER), True, [live(who())], "target-behind-pooler",
    ),
    "another server in recovery": (
        who(OTHER, recovering=True), False, [live(who())], "target-is-standby",
    ),
    "another server that does not say whether it is a standby": (
        who(OTHER, recovering=None), False, [live(who())], "target-identity-unknown",
    ),
    "production itself": (who(), False, [live(who())], "target-is-production"),
    "production over TCP, its directory unseen": (
        who(place=None), False, [live(who())], "target-is-production",
    ),
    "production behind a pooler": (
        who(place=None), True, [live(who(place=None))], "target-is-production",
    ),
    "production restarted since the baseline, same directory": (
        who(started=LATER), False, [recorded(who())], "target-is-production",
    ),
    "production restarted since the baseline, unseen": (
        who(place=None, started=LATER), False, [recorded(who())], "target-may-be-production",
    ),
    "production of an old baseline without start and directory": (
        who(), False, [recorded(who(place=None, started=None))], "target-may-be-production",
    ),
    "both starts unknown are not the same start": (
        who(place=None, started=None), False, [live(who(place=None, started=None))],
        "target-may-be-production",
    ),
    "another database of production's cluster": (
        who(oid=5, database="postgres"), False, [live(who())], "target-in-production-cluster",
    ),
    "the same oid under another name": (
        who(database="postgres"), False, [live(who())], "target-in-production-cluster",
    ),
    "a copy, both directories seen now": (COPY, False, [live(who())], ""),
    "a copy, same device, other inode": (
        who(place=Place(device=5, inode=101, boot="boot-1"), started=LATER), False, [live(who())], "",
    ),
    "a copy, other device, same inode": (
        who(place=Place(device=6, inode=100, boot="boot-1"), started=LATER), False, [live(who())], "",
    ),
    "a copy behind a pooler": (COPY, True, [live(who())], "target-behind-pooler"),
    "a copy, its directory unseen": (
        who(place=None, started=LATER), False, [live(who())], "target-may-be-production",
    ),
    "a copy, production's directory unseen": (
        COPY, False, [live(who(place=None))], "target-may-be-production",
    ),
    "a copy, read in another boot": (
        who(place=FAR, started=LATER), False, [live(who())], "target-may-be-production",
    ),
    "a copy, production only in a baseline": (
        COPY, False, [recorded(who())], "target-may-be-production",
    ),
    "a copy, live allows and a baseline does not": (
        COPY, False, [live(who()), recorded(who())], "target-may-be-production",
    ),
    "a copy, production reached through a standby": (
        COPY, False, [live(who(recovering=True))], "target-may-be-production",
    ),
    "a copy, production does not say whether it is a standby": (
        COPY, False, [live(who(recovering=None))], "target-may-be-production",
    ),
    "a copy started in the same moment": (
        who(place=ELSEWHERE), False, [live(who())], "target-is-production",
    ),
    "a standby of production": (
        who(place=ELSEWHERE, started=LATER, recovering=True), False, [live(who())],
        "target-is-standby",
    ),
    "the name moved to another server, and its baseline knows the old one": (
        who(), False, [live(who(OTHER)), recorded(who())], "target-is-production",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_a_given_server(name: str) -> None:
    given, pooled, production, expected = SERVERS[name]
    answer = Answer(given, pooled, ("postgres", "shop"))
    if not expected:
        proof = prove_other_server(answer, "staging", production)
        assert given.system_identifier in proof
        assert "asked now" in proof or "baseline 1" in proof
        return
    with pytest.raises(Refused) as caught:
        prove_other_server(answer, "staging", production)
    assert caught.value.code == expected
    assert caught.value.means.startswith("Compared: ")
    assert caught.value.next == REFUSALS[expected].instead


NAMES = {
    # name: (the given server's databases, what is known, expected code; "" is proven)
    "production's name, while production answers": (("rental",), [live(who())], ""),
    "production's name, while production answers, and a baseline": (
        None, [live(who()), recorded(who())], "",
    ),
    "production's name, and only a baseline knows it": (
        ("postgres", "rental"), [recorded(who())], "target-may-be-production",
    ),
    "production's name of an older baseline": (
        ("shop",), [recorded(who()), recorded(who(database="shop"))], "target-may-be-production",
    ),
    "the name in somebody else's baseline": (
        ("postgres", "shop"), [recorded(who()), recorded(who(database="shop"), ours=False)], "",
    ),
    "beside it something of ours that is no identity": (
        ("shop",),
        [recorded(who()), ProductionIdentity("declared", "volume", directory=HERE, ours=True)], "",
    ),
    "a name that only begins so": (("rental2",), [recorded(who())], ""),
    "nobody asked for its databases": (None, [recorded(who())], "target-may-be-production"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_may_hold_production_since_its_baseline(name: str) -> None:
    """An upgrade or a move gives production another system identifier."""
    databases, known, expected = NAMES[name]
    answer = Answer(who(OTHER), False, databases)
    if not expected:
        proof = prove_other_server(answer, "staging", known)
        alone = "only baseline 1 knows it, and no database here has its name"
        assert (alone in proof) == (known[0].basis == "baseline")
        return
    with pytest.raises(Refused) as caught:
        prove_other_server(answer, "staging", known)
    assert caught.value.code == expected
    assert "staging may be production as it is today" in caught.value.what
    said = "which it did not say" if databases is None else "it holds one of production's name"
    assert said in caught.value.means
    assert "only baseline 1" in caught.value.means


def test_names_in_that_refusal_are_shown_plainly() -> None:
    evil = "x\x1b[2J" + "y" * 500
    known = replace(recorded(who(database=evil)), described=evil)
    with pytest.raises(Refused) as caught:
        prove_other_server(Answer(who(OTHER), False, (evil,)), "staging", [known])
    assert "\x1b" not in caught.value.means
    assert "production's name, x" in caught.value.means
    assert len(caught.value.means) < 900


SAID = {
    # name of SERVERS: what the refusal says, and what it compared
    "another server, nothing known": (
        "nobody knows that staging is not it",
        "production did not say who it is, and no baseline recorded it.",
    ),
    "another server, the baseline is somebody's": (
        "nobody knows that staging is not it",
        "of these none is known to be this production's own: 7000000000000000001 (baseline 1, "
        "reached as db:5432/rental).",
    ),
    "a standby of production": (
        "staging is a standby of production.",
        "both have the system identifier 7000000000000000001 (asked now), and it is in recovery",
    ),
    "another server in recovery": (
        "what it holds comes from another server", "it says that it is in recovery",
    ),
    "a copy, its directory unseen": (
        "or a physical copy of it", "; its data directory cannot be looked at from here",
    ),
    "a copy, production's directory unseen": (
        "or a physical copy of it", "; production's data directory cannot be looked at from here",
    ),
    "a copy, production only in a baseline": (
        "or a physical copy of it", "; a baseline says where production's data directory was then",
    ),
    "a copy, production reached through a standby": (
        "or a physical copy of it", "; production itself was reached through a standby",
    ),
    "a copy started in the same moment": (
        "the database is production itself", "and were started in the same moment, and the database",
    ),
    "another database of production's cluster": (
        "would share production's fate", "(asked now) and the data directory.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_a_refusal_of_a_server_says(name: str) -> None:
    given, pooled, production, _ = SERVERS[name]
    what, compared = SAID[name]
    with pytest.raises(Refused) as caught:
        prove_other_server(Answer(given, pooled), "staging", production)
    assert what in caught.value.what
    assert compared in caught.value.means


def test_the_proof_of_a_copy_names_both_directories() -> None:
    proof = prove_other_server(Answer(COPY, False), "staging", [live(who())])
    assert "a physical copy of asked now" in proof
    assert "data directory now is device 5 inode 100, and its own device 5 inode 200" in proof


def test_a_server_s_name_and_a_baseline_s_are_shown_plainly() -> None:
    evil = "x\x1b[2J" + "y" * 500
    with pytest.raises(Refused) as caught:
        prove_other_server(Answer(who(OTHER), False), evil, [])
    assert "\x1b" not in caught.value.what
    assert len(caught.value.what) < 400
    unreached = ProductionIdentity("baseline", evil, who(dialled=""), False)
    with pytest.raises(Refused) as caught:
        prove_other_server(Answer(who(OTHER), False), "staging", [unreached])
    assert "\x1b" not in caught.value.means
    assert "reached as" not in caught.value.means
    assert "(505 characters))." in caught.value.means


WHOSE = {
    "reached and declared alike": ("db:5432/rental", "aws/1/vol-1", True),
    "reached otherwise": ("db2:5432/rental", "aws/1/vol-1", False),
    "another database": ("db:5432/shop", "aws/1/vol-1", False),
    "declared otherwise": ("db:5432/rental", "aws/1/vol-2", False),
    "declared by one only": ("db:5432/rental", "", False),
    "nobody knows how it is reached": ("", "aws/1/vol-1", False),
}


@pytest.mark.parametrize("name", WHOSE)
def test_whose_a_baseline_is(name: str) -> None:
    dialled, resource, expected = WHOSE[name]
    assert of_this_production(who(), dialled, resource) is expected


@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        ("db:5432/rental", True),
        ("localhost:5432/rental", False),
        ("LOCALHOST:5432/rental", False),
        ("127.0.0.1:5432/rental", False),
        ("::1:5432/rental", False),
        ("[::1]:5432/rental", False),
        ("/var/run/postgresql:5432/rental", False),
        (":5432/rental", False),
        ("", False),
    ],
)
def test_behind_a_tunnel_every_production_is_reached_alike(dialled: str, expected: bool) -> None:
    identity = who(dialled=dialled, resource="")
    assert of_this_production(identity, dialled, "") is expected
    declared = who(dialled=dialled)
    assert of_this_production(declared, dialled, declared.resource) is (dialled != "")


# --- the same target again -------------------------------------------------------------------


def target(identity: Identity) -> Target:
    return Target(
        kind="database", name="restore-1", nonce="n", location="", identity=identity, proof="",
        connect=DatabaseRef(host="h"), whole_server=False,
    )  # fmt: skip


AGAIN = {
    "the same": (who(), False, True),
    "restarted": (who(started=LATER), False, True),
    "its directory cannot be seen this time": (who(place=None), False, True),
    "after another boot": (who(place=FAR), False, True),
    "another server": (who(OTHER), False, False),
    "dropped and made again": (who(oid=16385), False, False),
    "another database": (who(database="postgres"), False, False),
    "failed over to a copy": (who(place=ELSEWHERE), False, False),
    "a standby now": (who(recovering=True), False, False),
    "nobody knows whether a standby": (who(recovering=None), False, False),
    "a pooler came in between": (who(), True, False),
}


@pytest.mark.parametrize("name", AGAIN)
def test_a_server_that_answers_again(name: str) -> None:
    found, pooled, same = AGAIN[name]
    if same:
        prove_same_target(target(who()), Answer(found, pooled))
        return
    with pytest.raises(Refused) as caught:
        prove_same_target(target(who()), Answer(found, pooled))
    assert caught.value.code == "target-changed"
    assert (", a standby" in caught.value.means) is (found.in_recovery is not False)
    assert (", behind a pooler" in caught.value.means) is pooled


def test_a_target_whose_directory_was_never_seen_is_known_by_the_rest() -> None:
    unseen = target(who(place=None))
    prove_same_target(unseen, Answer(who(), False))
    prove_same_target(unseen, Answer(who(place=None), False))
    with pytest.raises(Refused) as caught:
        prove_same_target(unseen, Answer(who(OTHER), False))
    assert (
        "(16384), data directory unknown; answering are 7000000000000000002" in caught.value.means
    )
    assert caught.value.means.count("device 5 inode 100") == 1


# --- emptiness -------------------------------------------------------------------------------

TABLE = FoundObject("table", "public", "orders", False)

CONTENTS = {
    "nothing": ([], (), ""),
    "a table": ([TABLE], (), "table public.orders"),
    "an extension's table": ([FoundObject("table", "public", "spatial_ref_sys", True)], (), ""),
    "an ignored schema and what it holds": (
        [FoundObject("schema", None, "cron", False), FoundObject("table", "cron", "job", False)],
        ("cron",),
        "",
    ),
    "a table beside an ignored schema": ([TABLE], ("cron",), "table public.orders"),
    "a schema that is not ignored": ([FoundObject("schema", None, "s", False)], (), "schema s"),
    "a table with an ignored name": (
        [FoundObject("table", "public", "cron", False)], ("cron",), "table public.cron",
    ),
    "a large object": ([FoundObject("large object", None, "7", False)], (), "large object 7"),
    "an event trigger, whatever is ignored": (
        [FoundObject("event trigger", None, "cron", False)], ("cron",), "event trigger cron",
    ),
    "one of both": (
        [FoundObject("view", "public", "v", True), TABLE], (), "table public.orders",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_what_counts_as_empty(name: str) -> None:
    found, ignored, shown = CONTENTS[name]
    if not shown:
        prove_empty(found, ignored, "it")
        return
    with pytest.raises(Refused) as caught:
        prove_empty(found, ignored, "it")
    assert caught.value.code == "target-not-empty"
    assert shown in caught.value.what


def test_many_objects_are_counted_and_names_are_plain() -> None:
    found = [FoundObject("table", "public", f"t{n}\x1b[2J", False) for n in range(9)]
    with pytest.raises(Refused, match="and 4 more") as caught:
        prove_empty(found, (), "it")
    assert "\x1b" not in caught.value.what
    assert "public.t4" in caught.value.what
    assert "public.t5" not in caught.value.what
    assert "9 objects" in caught.value.means
    for count, end in ((6, " and 1 more."), (5, "."), (1, ".")):
        with pytest.raises(Refused) as caught:
            prove_empty(found[:count], (), "it")
        last = f"public.t{min(count, 5) - 1}"
        assert caught.value.what.rpartition(last)[2].endswith("[2J" + end)
        assert ("more" in caught.value.what) is (count == 6)


# --- a baseline is worth nothing without an identity ---------------------------------------------


@pytest.mark.parametrize("system", ["", "unknown", "0", "12x", "-1", "1" * 21])
def test_there_is_no_identity_without_a_system_identifier(system: str) -> None:
    with pytest.raises(ValidationError):
        who(system)


def test_a_stored_baseline_without_one_does_not_open() -> None:
    counts = TableCounts(identity=who(), taken_at=THEN, tables=())
    sealed = Baseline(captured_at=THEN, counts=counts).sealed()
    assert Baseline.unseal(sealed).counts.identity == who()
    bare = Baseline.model_construct(
        drbook_baseline=1,
        captured_at=THEN,
        drbook_version="",
        counts=counts.model_copy(
            update={"identity": who().model_copy(update={"system_identifier": ""})}
        ),
    )
    with pytest.raises(ValueError, match="system_identifier"):
        Baseline.unseal(bare.sealed())
