"""Reviewed rows into a database that lives on: what is proposed, merged, refused and taken back."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.merging import Pair, databases, pair
from support.pg import Postgres, drain
from support.waiting import eventually

from drbook.core.errors import DrbookError, Interrupted, Refused, StepFailed, UsageError
from drbook.core.events import Mode
from drbook.core.reviewed import Proposal, ProposalWish
from drbook.core.signals import Milestone
from drbook.providers.merge import lease as leases

GONE = "DELETE FROM bookings WHERE id BETWEEN 5 AND 44"


pytestmark = pytest.mark.xdist_group("merging")


@pytest.fixture(scope="module")
def names(postgres: Postgres) -> Iterator[Mapping[str, str]]:
    with databases(postgres) as made:
        yield made


@pytest.fixture
def two(postgres: Postgres, names: Mapping[str, str], tmp_path: Path) -> Pair:
    return pair(postgres, names, tmp_path)


def test_a_bad_delete_comes_back_exactly_and_can_be_taken_back(two: Pair) -> None:
    whole = two.held()
    two.sql("living", GONE)
    two.sql(
        "living",
        "INSERT INTO bookings (note) VALUES ('newer'); UPDATE bookings SET note = 'new' WHERE id = 2",
    )
    before = two.held()
    review = two.review(ProposalWish(("bookings",)))
    proposal = review.proposal
    (one,) = proposal.what.tables
    assert (one.missing.count, one.conflicts.count, one.extra, one.equal) == (40, 1, 1, 19)
    (conflict,) = review.conflicts["public.bookings"]
    assert conflict.key == {"id": "2"}
    assert conflict.production == {"note": "new"}
    outcome, said = two.apply(proposal)
    assert outcome.as_reviewed
    (last,) = [each for each in said if isinstance(each, Milestone) and "commits now" in each.text]
    assert "undo" in str(last.data)
    assert two.held()[0] == 61
    same = "(SELECT * FROM bookings WHERE id <> 2 AND id < 61)"
    assert two.held(same) == two.held(same, "restored")
    assert "public.bookings|40|40" in two.undo()
    assert two.held() == before
    assert whole != before


def test_conflicts_are_put_back_where_that_was_decided(two: Pair) -> None:
    whole = two.held()
    two.sql(
        "living",
        "UPDATE bookings SET note = 'bad', price = 0 WHERE id % 3 = 0; DELETE FROM bookings WHERE id > 50",
    )
    before = two.held()
    proposal = two.propose(every="ask")
    outcome, _ = two.apply(proposal, decided={"bookings": "restore"})
    assert (outcome.tables[0].inserted, outcome.tables[0].updated) == (10, 16)
    assert two.held() == whole
    two.sql("living", "UPDATE bookings SET note = 'newer' WHERE id IN (3, 55)")
    printed = two.undo()
    assert "public.bookings|15|16" in printed
    assert "public.bookings|9|10" in printed
    two.sql(
        "living",
        "UPDATE bookings SET note = 'bad', price = 0 WHERE id = 3; DELETE FROM bookings WHERE id = 55",
    )
    assert two.held() == before


def test_parents_come_first_with_the_numbers_that_they_had(two: Pair) -> None:
    whole = two.held(), two.held("guests")
    two.sql(
        "living",
        "DELETE FROM bookings; DELETE FROM guests WHERE id > 3; ALTER SEQUENCE bookings_id_seq RESTART",
    )
    before = two.held(), two.held("guests")
    outcome, _ = two.apply(two.propose("bookings", "public.guests"))
    assert [one.table for one in outcome.tables] == ["public.guests", "public.bookings"]
    assert (two.held(), two.held("guests")) == whole
    ((number,),) = two.sql("living", "INSERT INTO bookings DEFAULT VALUES RETURNING id")
    assert number == 61
    assert [(one.past, one.steps) for one in outcome.sequences] == [("20", 0), ("60", 60)]
    two.sql("living", "DELETE FROM bookings WHERE id = 61")
    two.undo()
    assert (two.held(), two.held("guests")) == before


def test_a_row_that_others_refer_to_by_now_is_not_removed(two: Pair) -> None:
    two.sql("living", "ALTER TABLE bookings DROP CONSTRAINT bookings_guest_fkey; DELETE FROM guests WHERE id = 9;"
            " UPDATE bookings SET guest = NULL WHERE guest = 9;"
            " ALTER TABLE bookings ADD FOREIGN KEY (guest) REFERENCES guests ON DELETE CASCADE")  # fmt: skip
    two.apply(two.propose("guests"))
    two.sql("living", "INSERT INTO bookings (guest, note) VALUES (9, 'newer')")
    assert "public.guests|0|1" in two.undo()
    assert two.sql("living", "SELECT count(*) FROM bookings WHERE note = 'newer'") == [(1,)]


UNDONE = {
    "a row that a changed one refers to": "UPDATE tree SET v = 'newer' WHERE id = 2",
    "a row that a new one refers to": "INSERT INTO tree VALUES (9, 2, 'newer')",
}


@pytest.mark.parametrize("act", ["CASCADE", "SET NULL", "NO ACTION"])
@pytest.mark.parametrize("case", UNDONE)
def test_an_undo_leaves_what_rows_that_stay_refer_to_up_to_the_root(
    two: Pair, act: str, case: str
) -> None:
    two.both(f"CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE {act}, v text);"
             "INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'child'), (3, 2, 'leaf'), (4, NULL, 'x'), (5, 4, 'y')")  # fmt: skip
    two.sql(
        "living",
        "DELETE FROM tree WHERE id IN (3, 5); DELETE FROM tree WHERE id = 2; DELETE FROM tree",
    )
    two.apply(two.propose("tree"))
    two.sql("living", UNDONE[case])
    newer = two.held("(SELECT * FROM tree WHERE id IN (1, 2, 9))")
    assert "public.tree|3|5" in two.undo()
    assert two.held("tree") == newer


def test_an_undo_follows_every_way_in_which_rows_refer_to_each_other(two: Pair) -> None:
    """Two foreign keys, one of two columns and to what is computed; 9 to 1 in a chain, 20 to 10 in one."""
    two.both("CREATE TABLE net (a int, b int, up int, twice int GENERATED ALWAYS AS (a * 2) STORED UNIQUE,"
             " half int REFERENCES net (twice) ON DELETE CASCADE, PRIMARY KEY (a, b), ub int DEFAULT 1,"
             " FOREIGN KEY (up, ub) REFERENCES net ON DELETE CASCADE);"
             "INSERT INTO net (a, b, up) SELECT n, 1, nullif(n - 1, 0) FROM generate_series(1, 9) n;"
             "INSERT INTO net (a, b, half) SELECT n, 1, CASE WHEN n > 10 THEN (n - 1) * 2 END"
             " FROM generate_series(10, 20) n")  # fmt: skip
    two.sql("living", "TRUNCATE net")
    proposal = two.propose("net")
    assert "(half); let triggers fire" in two.rehearse(proposal, triggers="skip").blocked
    two.apply(proposal)
    two.sql("living", "INSERT INTO net (a, b, up, half) VALUES (99, 1, 5, 24)")
    assert "public.net|12|20" in two.undo()
    left = [row[0] for row in two.sql("living", "SELECT a FROM net ORDER BY a")]
    assert left == [1, 2, 3, 4, 5, 10, 11, 12, 99]


def test_an_undo_refuses_where_a_table_refers_that_came_since(two: Pair) -> None:
    two.sql("living", GONE)
    two.apply(two.propose())
    two.sql("living", "CREATE TABLE reviews (id int PRIMARY KEY, b int REFERENCES bookings ON DELETE CASCADE);"
                      "INSERT INTO reviews VALUES (1, 10)")  # fmt: skip
    with pytest.raises(AssertionError, match=r"foreign keys of public\.reviews came or went"):
        two.undo()
    assert two.sql("living", "SELECT count(*) FROM reviews") == [(1,)]
    two.sql(
        "living",
        "DROP TABLE reviews; CREATE RULE also AS ON DELETE TO bookings DO ALSO DELETE FROM guests",
    )
    with pytest.raises(AssertionError, match="rules also act"):
        two.undo()
    two.sql("living", "DROP RULE also ON bookings")
    assert "public.bookings|40|40" in two.undo()


def test_an_undo_sees_what_refers_to_a_partition_alone(two: Pair) -> None:
    two.both("CREATE TABLE ev (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);"
             "CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (100);"
             "INSERT INTO ev SELECT n, 'v' FROM generate_series(1, 50) n")  # fmt: skip
    two.sql("living", "DELETE FROM ev WHERE id < 40;"
                      "CREATE TABLE notes (id int PRIMARY KEY, e int REFERENCES ev1 ON DELETE CASCADE)")  # fmt: skip
    two.apply(two.propose("ev"))
    two.sql("living", "INSERT INTO notes VALUES (1, 5)")
    assert "public.ev|38|39" in two.undo()
    assert two.sql("living", "SELECT count(*) FROM notes") == [(1,)]


def test_an_undo_waits_for_whoever_is_about_to_refer(two: Pair) -> None:
    two.sql("living", "CREATE TABLE reviews (id int PRIMARY KEY, b int REFERENCES bookings ON DELETE CASCADE);" + GONE)  # fmt: skip
    two.apply(two.propose())
    with two.postgres.connect(two.names["living"]) as other, ThreadPoolExecutor(1) as beside:
        other.execute(b"BEGIN; INSERT INTO reviews VALUES (1, 10)")
        undone = beside.submit(two.undo)
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'reviews'::regclass"
        )
        assert eventually(lambda: two.sql("living", waiting) == [(1,)])
        other.execute(b"COMMIT")
        assert "public.bookings|39|40" in undone.result()
    assert two.sql("living", "SELECT count(*) FROM reviews") == [(1,)]


def test_an_undo_runs_where_the_merge_could_and_leaves_keys_that_are_referred_to(two: Pair) -> None:
    two.sql("living", "UPDATE guests SET mail = 'bad' || id WHERE id < 4")
    two.sql("living", "CREATE TABLE logins (mail text REFERENCES guests (mail))")
    two.apply(two.propose("guests", every="restore"))
    two.sql("living", "INSERT INTO logins VALUES ('guest2@example')")
    two.sql(
        "living", f"ALTER DATABASE {two.names['living']} SET default_transaction_read_only = on"
    )
    try:
        assert "public.guests|2|3" in two.undo()
    finally:
        with two.postgres.connect("postgres") as connection:
            connection.execute(f"ALTER DATABASE {two.names['living']} RESET ALL".encode())
    mails = two.sql("living", "SELECT mail FROM guests WHERE id < 4 ORDER BY id")
    assert mails == [("bad1",), ("guest2@example",), ("bad3",)]


BLOCKED = {
    "a row came back meanwhile": (
        "SELECT 1", "INSERT INTO bookings (id, note) VALUES (12, 'by hand')", "present",
    ),
    "what it refers to is gone": (
        "SELECT 1", "DELETE FROM bookings; DELETE FROM guests WHERE id = 2", "orphans",
    ),
    "a unique value is taken": (
        "CREATE UNIQUE INDEX ON bookings (note)",
        "INSERT INTO bookings (id, note) SELECT 900, E'tab\\t line\\n back\\\\ \\\\N 20'", "taken",
    ),
    "a check is not met": (
        "SELECT 1", "ALTER TABLE bookings ADD CHECK (id <> 20) NOT VALID", "failure",
    ),
    "a deferred check is not met": (
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not %', NEW.id; END $$",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON bookings DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW WHEN (NEW.id = 30) EXECUTE FUNCTION no()", "failure",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BLOCKED)
def test_what_stands_against_it_is_counted_and_nothing_is_written(two: Pair, case: str) -> None:
    before, since, what = BLOCKED[case]
    two.both(before)
    two.sql("living", GONE)
    proposal = two.propose()
    two.sql("living", since)
    held = two.held()
    found = two.rehearse(proposal)
    assert getattr(found.tables[0], what)
    assert found.blocked
    with pytest.raises(StepFailed) as caught:
        two.apply(proposal)
    assert caught.value.code == "not-as-reviewed"
    assert two.held() == held


CHANGED = {
    "a row came back": "INSERT INTO bookings (id, note) VALUES (12, 'by hand')",
    "a conflict changed again": "UPDATE bookings SET note = 'newer still' WHERE id = 2",
    "a conflict went away": "DELETE FROM bookings WHERE id = 2",
    "a trigger came": "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
    " CREATE TRIGGER quiet BEFORE INSERT ON bookings FOR EACH ROW WHEN (NEW.id = 6) EXECUTE FUNCTION quiet()",
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGED)
def test_what_changed_since_the_rehearsal_rolls_all_of_it_back(two: Pair, case: str) -> None:
    two.sql("living", GONE + "; UPDATE bookings SET note = 'bad' WHERE id = 2")
    proposal = two.propose(every="restore")
    rehearsed = two.rehearse(proposal)
    assert rehearsed.as_reviewed
    two.sql("living", CHANGED[case])
    held = two.held()
    with pytest.raises(StepFailed) as caught:
        two.apply(proposal, rehearsed)
    assert caught.value.code == "production-changed"
    assert two.held() == held


TRIGGERS = """
CREATE SCHEMA own; ALTER DATABASE {db} SET search_path = own, public;
CREATE TABLE own.seen (id int); CREATE FUNCTION own.acts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.id < 10 THEN RETURN NULL; END IF;
  IF NEW.id < 20 THEN NEW.note := 'touched'; END IF;
  INSERT INTO seen VALUES (NEW.id);
  RETURN NEW; END $$;
CREATE TRIGGER acts BEFORE INSERT ON public.bookings FOR EACH ROW EXECUTE FUNCTION own.acts();
"""


def test_what_triggers_change_or_suppress_is_applied_only_where_it_was_seen(two: Pair) -> None:
    two.sql("living", GONE + ";" + TRIGGERS.replace("{db}", two.names["living"]))
    proposal = two.propose()
    assert proposal.what.tables[0].triggers == ("acts",)
    before = two.held()
    with pytest.raises(StepFailed) as caught:
        two.apply(proposal)
    assert caught.value.code == "not-as-reviewed"
    assert two.held() == before
    rehearsed = two.rehearse(proposal)
    (one,) = rehearsed.tables
    assert (one.inserted, one.suppressed, one.changed, one.blocked) == (35, 5, 10, "")
    outcome, _ = two.apply(proposal, rehearsed, name="apply-2")
    assert outcome == rehearsed
    assert two.sql("living", "SELECT count(*) FROM own.seen") == [(35,)]
    assert "public.bookings|35|35" in two.undo("apply-2")
    assert two.held() == before


def test_triggers_can_be_skipped_and_foreign_keys_still_hold(two: Pair) -> None:
    two.sql("living", GONE + ";" + TRIGGERS.replace("{db}", two.names["living"]))
    proposal = two.propose()
    before = two.held()
    outcome, _ = two.apply(proposal, triggers="skip")
    assert outcome.as_reviewed
    assert two.sql("living", "SELECT count(*) FROM own.seen") == [(0,)]
    two.undo()
    assert two.held() == before
    two.sql("living", "DELETE FROM bookings; DELETE FROM guests WHERE id = 2")
    with pytest.raises(StepFailed, match="not there"):
        two.apply(proposal, triggers="skip", name="apply-2")


ACTS = """
CREATE TABLE mails (x int);
CREATE FUNCTION acts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'stamp'; RETURN NEW; END $$;
CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS $$
 BEGIN INSERT INTO public.mails VALUES (1); RETURN NULL; END $$;
CREATE TRIGGER acts BEFORE INSERT ON bookings FOR EACH ROW EXECUTE FUNCTION acts();
CREATE TRIGGER tells AFTER INSERT ON bookings FOR EACH ROW EXECUTE FUNCTION tells();
ALTER TABLE bookings DISABLE TRIGGER tells;
"""
ACTS_NOW = {
    "a trigger came": ("CREATE TRIGGER late AFTER INSERT ON bookings FOR EACH STATEMENT EXECUTE FUNCTION tells()", "triggers"),
    "a trigger was enabled": ("ALTER TABLE bookings ENABLE TRIGGER tells", "triggers"),
    "a function has another body": (
        "CREATE OR REPLACE FUNCTION acts() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.note := 'stamp' || ''; RETURN NEW; END $$", "triggers",
    ),
    "a constraint came": ("ALTER TABLE bookings ADD CHECK (id > 0)", "constraints"),
    "a default is another": ("ALTER TABLE bookings ALTER note SET DEFAULT 'x'", "columns and defaults"),
    "an index came": ("CREATE UNIQUE INDEX ON bookings ((id + 1))", "unique indexes"),
}  # fmt: skip


@pytest.mark.parametrize("case", ACTS_NOW)
def test_what_acts_otherwise_than_in_the_rehearsal_rolls_all_of_it_back(
    two: Pair, case: str
) -> None:
    since, kind = ACTS_NOW[case]
    two.sql("living", GONE + ";" + ACTS)
    proposal = two.propose()
    rehearsed = two.rehearse(proposal)
    assert rehearsed.tables[0].changed == 40
    two.sql("living", since)
    held = two.held()
    with pytest.raises(StepFailed, match=f"its {kind} are not those") as caught:
        two.apply(proposal, rehearsed)
    assert caught.value.code == "production-changed"
    assert two.held() == held
    assert two.sql("living", "SELECT count(*) FROM mails") == [(0,)]


def test_rows_with_other_values_than_were_rehearsed_are_not_committed(two: Pair) -> None:
    """What a trigger calls or reads is seen by what it leaves."""
    two.sql("living", GONE + "; CREATE TABLE said (what text); INSERT INTO said VALUES ('one');"
            " CREATE FUNCTION reads() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.note := (SELECT what FROM public.said); RETURN NEW; END $$;"
            " CREATE TRIGGER reads BEFORE INSERT ON bookings FOR EACH ROW EXECUTE FUNCTION reads()")  # fmt: skip
    proposal = two.propose()
    rehearsed = two.rehearse(proposal)
    two.sql("living", "UPDATE said SET what = 'two'")
    with pytest.raises(StepFailed, match="came out with other values") as caught:
        two.apply(proposal, rehearsed)
    assert caught.value.code == "production-changed"
    assert two.held()[0] == 20
    two.sql("living", "UPDATE said SET what = 'one'")
    assert two.apply(proposal, rehearsed, "apply-2")[0] == rehearsed


@pytest.mark.parametrize("type_", ["timestamptz", "timestamp(0)", "date"])
def test_a_trigger_that_writes_the_moment_does_not_stand_against_a_merge(
    two: Pair, type_: str
) -> None:
    two.both(f"CREATE TABLE u (id int PRIMARY KEY, v text, at {type_} DEFAULT '2026-01-01');"
             "INSERT INTO u VALUES (1, 'a'), (2, 'b')")  # fmt: skip
    two.sql("living", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.at := clock_timestamp(); RETURN NEW; END $$;"
            " CREATE TRIGGER f BEFORE UPDATE ON u FOR EACH ROW EXECUTE FUNCTION f(); UPDATE u SET v = 'bad'")  # fmt: skip
    proposal = two.propose("u", every="restore")
    rehearsed = two.rehearse(proposal)
    assert rehearsed.tables[0].changed == 2
    assert two.apply(proposal, rehearsed)[0] == rehearsed


RULES = {
    "also": "CREATE RULE also AS ON INSERT TO bookings DO ALSO UPDATE guests SET mail = 'x' || id WHERE id = NEW.guest",
    "instead": "CREATE RULE instead AS ON INSERT TO bookings WHERE NEW.id > 10 DO INSTEAD NOTHING",
}


@pytest.mark.parametrize("case", RULES)
def test_a_rule_is_named_and_stands_against_a_merge(two: Pair, case: str) -> None:
    two.sql("living", GONE + ";" + RULES[case])
    proposal = two.propose()
    assert proposal.what.tables[0].rules == (case,)
    assert f"it has the rules {case}" in two.rehearse(proposal).blocked
    held = two.held(), two.held("guests")
    with pytest.raises(StepFailed, match="DISABLE RULE"):
        two.apply(proposal)
    assert (two.held(), two.held("guests")) == held
    two.sql("living", f"ALTER TABLE bookings DISABLE RULE {case}")
    assert two.apply(proposal, name="apply-2")[0].as_reviewed


@pytest.mark.parametrize("act", ["CASCADE", "SET NULL"])
def test_rows_that_would_follow_a_changed_key_stand_against_a_merge(two: Pair, act: str) -> None:
    two.sql("living", "UPDATE guests SET mail = 'bad' || id WHERE id < 4;"
            f"CREATE TABLE logins (mail text REFERENCES guests (mail) ON UPDATE {act})")  # fmt: skip
    proposal = two.propose("guests", every="restore")
    assert proposal.what.tables[0].along == ("public.logins",)
    assert two.rehearse(proposal).as_reviewed
    two.sql("living", "INSERT INTO logins VALUES ('bad2')")
    found = two.rehearse(proposal)
    assert "1 row to put back would change (mail)" in found.blocked
    with pytest.raises(StepFailed):
        two.apply(proposal)
    assert two.sql("living", "SELECT mail FROM logins") == [("bad2",)]


def test_triggers_of_partitions_and_those_that_cannot_be_skipped_are_named(two: Pair) -> None:
    two.both("CREATE TABLE ev (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);"
             "CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (100);"
             "INSERT INTO ev SELECT n, 'v' FROM generate_series(1, 50) n")  # fmt: skip
    two.sql("living", "DELETE FROM ev WHERE id < 40; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER whole BEFORE INSERT ON ev FOR EACH ROW EXECUTE FUNCTION f();"
            " CREATE TRIGGER part BEFORE INSERT ON ev1 FOR EACH ROW EXECUTE FUNCTION f();"
            " CREATE TRIGGER off BEFORE INSERT ON ev1 FOR EACH ROW EXECUTE FUNCTION f();"
            " ALTER TABLE ev1 DISABLE TRIGGER off, ENABLE ALWAYS TRIGGER part")  # fmt: skip
    (one,) = two.propose("ev").what.tables
    always = "part on public.ev1 (always)"
    assert one.triggers == ("whole", "off on public.ev1 (disabled)", always)
    assert one.always == (always,)


def test_foreign_keys_of_partitions_hold_with_triggers_skipped(two: Pair) -> None:
    two.both("CREATE TABLE visits (id int PRIMARY KEY, guest bigint REFERENCES guests) PARTITION BY RANGE (id);"
             "CREATE TABLE visits1 PARTITION OF visits FOR VALUES FROM (0) TO (100);"
             "INSERT INTO visits SELECT n, n FROM generate_series(1, 9) n")  # fmt: skip
    two.sql("living", "DELETE FROM visits; DELETE FROM bookings; DELETE FROM guests WHERE id = 2")
    for table in ("visits", "visits1"):
        found = two.rehearse(two.propose(table), triggers="skip")
        assert found.tables[0].orphans == 1
    two.both("ALTER TABLE visits DROP CONSTRAINT visits_guest_fkey;"
             "DELETE FROM visits WHERE guest = 2; ALTER TABLE visits1 ADD CONSTRAINT own FOREIGN KEY (guest) REFERENCES guests")  # fmt: skip
    proposal = two.propose("visits")
    assert "own on public.visits1" in two.rehearse(proposal, triggers="skip").blocked
    assert two.rehearse(proposal).as_reviewed


def test_an_identity_that_cannot_be_set_is_told_as_that(two: Pair) -> None:
    two.both("CREATE TABLE al (k text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text);"
             "INSERT INTO al (k, v) VALUES ('a', 'x'), ('b', 'y')")  # fmt: skip
    two.sql(
        "living",
        "UPDATE al SET v = 'bad', n = DEFAULT WHERE k = 'a'; UPDATE al SET v = 'bad' WHERE k = 'b'",
    )
    proposal = two.propose("al", every="restore")
    rehearsed = two.rehearse(proposal)
    (one,) = rehearsed.tables
    assert (one.updated, one.changed, one.identities, one.as_reviewed) == (2, 0, 1, False)
    assert two.apply(proposal, rehearsed)[0] == rehearsed
    assert two.sql("living", "SELECT n, v FROM al ORDER BY k") == [(3, "x"), (2, "y")]


def test_a_decision_about_a_name_of_two_tables_is_none(two: Pair) -> None:
    two.both("".join(f"CREATE SCHEMA {one}; CREATE TABLE {one}.t (id int PRIMARY KEY, v text);"
                     f"INSERT INTO {one}.t VALUES (1, 'x');" for one in "ab"))  # fmt: skip
    two.sql("living", "UPDATE a.t SET v = 'bad'; UPDATE b.t SET v = 'meant'")
    proposal = two.propose("a.t", "b.t", every="ask")
    for attempt in (two.rehearse, two.apply):
        with pytest.raises(UsageError, match="Several tables"):
            attempt(proposal, decided={"t": "restore"})
    two.apply(proposal, decided={"a.t": "restore", "b.t": "keep"})
    assert two.sql("living", "SELECT a.v, b.v FROM a.t a, b.t b") == [("x", "meant")]


HOSTILE = 'we"ird; DROP TABLE bookings; --\n%s :x'


def test_hostile_names_and_values_stay_what_they_are(two: Pair) -> None:
    def quoted(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    table, column = quoted(HOSTILE), quoted(HOSTILE + "c")
    two.both(f"CREATE SCHEMA {table}; CREATE TABLE {table}.{table} ({column} text, n1 int, t text, s text,"
             f" PRIMARY KEY ({column}, n1));"
             f"INSERT INTO {table}.{table} VALUES ($$'); DROP TABLE bookings; --$$, 1, E'\\\\.\\n\\\\.\\n', $$\\! true$$),"
             " (E'a\\tb', 2, NULL, ''), ('', 3, '$drbook$', '\\N'), ('ä', 4, ':x', 'ü'), ('z', 5, '', ''), ('Z', 6, '', '')")  # fmt: skip
    name = f"{table}.{table}"
    whole = two.held(name)
    two.sql("living", f"DELETE FROM {name}")
    before = two.held(name)
    proposal = two.propose(f"{HOSTILE}.{HOSTILE}")
    two.apply(proposal)
    assert two.held(name) == whole
    two.undo()
    assert two.held(name) == before
    assert two.sql("living", "SELECT count(*) FROM bookings") == [(60,)]


def test_a_key_that_may_be_null_leaves_rows_that_nobody_can_tell_apart(two: Pair) -> None:
    two.both("CREATE TABLE seats (hall text, seat numeric, note text, UNIQUE (hall, seat));"
             "INSERT INTO seats VALUES ('a', 1.0, 'x'), ('a', 2.00, 'y'), ('b', NULL, 'z'), (NULL, 1, 'w')")  # fmt: skip
    two.sql(
        "living",
        "DELETE FROM seats WHERE seat = 2; UPDATE seats SET seat = 1.00 WHERE seat = 1 AND hall = 'a'",
    )
    proposal = two.propose("seats", keys={"seats": ("hall", "seat")})
    (one,) = proposal.what.tables
    assert (one.missing.count, one.conflicts.count, one.unkeyed) == (1, 1, 4)
    two.apply(proposal)
    assert two.sql("living", "SELECT count(*) FROM seats") == [(4,)]


NOT_COMPARED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "no key": ("CREATE TABLE loose (id int)", "SELECT 1", {}, "no-key"),
    "a key that nothing holds unique": (
        "CREATE TABLE loose (id int)", "SELECT 1", {"keys": {"loose": ("id",)}}, "no-key",
    ),
    "other columns": (
        "CREATE TABLE loose (id int PRIMARY KEY)", "ALTER TABLE loose ADD more int", {}, "columns",
    ),
    "another type": (
        "CREATE TABLE loose (id int PRIMARY KEY, n varchar(5))", "ALTER TABLE loose ALTER n TYPE varchar(4)",
        {}, "columns",
    ),
    "a view": ("CREATE VIEW loose AS SELECT 1 AS id", "SELECT 1", {}, "no-such-table"),
    "no table": ("SELECT 1", "SELECT 1", {}, "no-such-table"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_COMPARED)
def test_what_cannot_be_compared_is_not_proposed(two: Pair, case: str) -> None:
    both, living, more, code = NOT_COMPARED[case]
    two.both(both)
    two.sql("living", living)
    with pytest.raises(DrbookError) as caught:
        two.propose("loose", **more)
    assert caught.value.code == code
    assert not list(two.folder.glob("artifacts/*"))


def test_a_dropped_table_is_made_by_a_person_and_then_merged(two: Pair) -> None:
    two.both("CREATE TABLE notes (id int PRIMARY KEY, booking int REFERENCES bookings);"
             "INSERT INTO notes SELECT n, n FROM generate_series(1, 9) n")  # fmt: skip
    whole = two.held()
    two.sql("living", "DROP TABLE bookings CASCADE")
    proposal = two.propose()
    (one,) = proposal.what.tables
    assert (one.absent, one.missing.count) == (True, 60)
    with pytest.raises(StepFailed) as caught:
        two.apply(proposal)
    assert caught.value.code == "table-changed"
    text = (two.folder / proposal.what.definition).read_text()
    assert "-- ALTER TABLE public.notes ADD CONSTRAINT notes_booking_fkey FOREIGN KEY" in text
    script = "\n".join(line for line in text.splitlines() if not line.startswith("\\"))
    two.sql("living", script)
    outcome, _ = two.apply(proposal, name="apply-2")
    assert two.held() == whole
    assert [one.steps for one in outcome.sequences] == [60]
    two.sql("living", "ALTER TABLE notes ADD FOREIGN KEY (booking) REFERENCES bookings")


def test_partitions_take_what_is_theirs(two: Pair) -> None:
    two.both("CREATE TABLE log (id int, at date, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"
             "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
             "CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
             "INSERT INTO log SELECT n, '2026-01-15'::date + n, 'n' FROM generate_series(1, 30) n")  # fmt: skip
    whole = two.held("log")
    two.sql("living", "DELETE FROM log WHERE id < 20")
    two.apply(two.propose("log"))
    assert two.held("log") == whole
    two.undo()
    assert two.held("log")[0] == 11


def test_a_dropped_partitioned_table_is_made_with_its_partitions(two: Pair) -> None:
    two.both("CREATE TABLE log (id int PRIMARY KEY) PARTITION BY RANGE (id);"
             "CREATE TABLE \"log %1\" PARTITION OF log FOR VALUES FROM (0) TO (100);"
             "INSERT INTO log SELECT generate_series(1, 9)")  # fmt: skip
    whole = two.held("log")
    two.sql("living", "DROP TABLE log")
    proposal = two.propose("log")
    text = (two.folder / proposal.what.definition).read_text()
    two.sql("living", "\n".join(line for line in text.splitlines() if not line.startswith("\\")))
    two.apply(proposal)
    assert two.held("log") == whole


def test_a_text_with_a_sequences_number_in_it_keeps_nothing_back(two: Pair) -> None:
    two.both("CREATE SEQUENCE inv; CREATE TABLE bills (no text DEFAULT 'INV-' || nextval('inv') PRIMARY KEY);"
             "INSERT INTO bills SELECT FROM generate_series(1, 5)")  # fmt: skip
    whole = two.held("bills")
    two.sql("living", "DELETE FROM bills WHERE no > 'INV-3'")
    outcome, _ = two.apply(two.propose("bills"))
    assert two.held("bills") == whole
    (move,) = outcome.sequences
    assert (move.sequence, move.steps, move.seen) == ("public.inv", 0, False)


def test_a_row_of_which_no_update_can_set_a_thing_is_an_answer(two: Pair) -> None:
    two.both("CREATE TABLE bare (k numeric PRIMARY KEY); INSERT INTO bare VALUES (1.00), (2)")
    two.sql("living", "UPDATE bare SET k = 1.0 WHERE k = 1")
    found = two.rehearse(two.propose("bare", every="restore"))
    assert "`keep` the conflicts" in found.tables[0].failure


# --- the guard ---------------------------------------------------------------------------------


def test_a_mode_lets_nobody_merge_into_production_but_live(two: Pair) -> None:
    two.sql("living", GONE)
    before, proposal = two.held(), two.propose()
    for mode in (Mode.DRY_RUN, Mode.DRILL):
        for verb in ("rehearse", "apply"):
            door = two.door(mode)
            work = (
                door.rehearse(proposal, two.wish())
                if verb == "rehearse"
                else door.apply(proposal, two.wish(), "apply-1")
            )
            with pytest.raises(DrbookError) as caught:
                drain(work)
            assert caught.value.code == "not-exercised"
    assert two.held() == before


def forged(two: Pair, proposal: Proposal, **more: Any) -> Proposal:
    """A proposal that somebody wrote, with an artifact that fits it."""
    what = proposal.what.model_copy(update=more)
    data = what.bytes()
    name = f"artifacts/{hashlib.sha256(data).hexdigest()}.proposal.json"
    (two.folder / name).write_bytes(data)
    return Proposal(artifact=name, what=what)


def test_a_lease_opens_nothing_but_what_was_reviewed(two: Pair) -> None:
    two.sql("living", GONE)
    proposal = two.propose()
    restored = two.held(side="restored")
    attempts = {
        "merge-elsewhere": lambda: two.apply(proposal, login=two.ref("restored")),
        # A proposal that says it was made against the restored database: it is not production.
        "merge-elsewhere ": lambda: two.apply(
            forged(two, proposal, production=proposal.what.source), login=two.ref("restored")
        ),
        "merge-digest": lambda: two.apply(
            proposal.model_copy(update={"what": proposal.what.model_copy(update={"tables": ()})})
        ),
        "merge-stand-in": lambda: two.apply(forged(two, proposal, stand_in=two.target)),
    }
    for code, attempt in attempts.items():
        with pytest.raises(Refused) as caught:
            attempt()
        assert caught.value.code == code.strip()
    assert two.held(side="restored") == restored
    assert two.held()[0] == 20


def test_a_stand_in_is_what_carries_its_mark(two: Pair) -> None:
    """Production, passed off as a stand-in, carries none."""
    two.sql("living", GONE)
    proposal = two.propose()
    living = two._target("living")
    before = two.held()
    with pytest.raises(Refused) as caught:
        drain(
            two.door(Mode.DRILL).apply(
                forged(two, proposal, stand_in=living), two.wish(), "apply-1"
            )
        )
    assert caught.value.code == "target-changed"
    assert two.held() == before
    two.sql("living", f"COMMENT ON DATABASE {two.names['living']} IS 'drbook target n'")
    drain(two.door(Mode.DRILL).apply(forged(two, proposal, stand_in=living), two.wish(), "apply-1"))
    assert two.held() == two.held(side="restored")


def test_a_lease_is_for_the_tables_of_its_proposal(two: Pair) -> None:
    two.sql("living", GONE)
    proposal = two.propose()
    (guests,) = two.propose("guests").what.tables
    with leases.merge_lease(proposal, Mode.LIVE, two.ref("living"), {}, two.cancel) as session:
        for attempt in (
            lambda: session.describe(guests.table),
            lambda: session.insert("drbook_rows_0", guests.table),
            lambda: session.insert("bookings", proposal.what.tables[0].table),
        ):
            with pytest.raises(Refused) as caught:
                attempt()
            assert caught.value.code == "merge-table"


def test_rows_that_were_altered_on_this_disk_are_not_applied(two: Pair) -> None:
    two.sql("living", GONE)
    proposal = two.propose()
    before = two.held()
    path = two.folder / proposal.what.tables[0].missing.artifact
    path.write_bytes(path.read_bytes().replace(b"ab", b"xy", 1))
    with pytest.raises(Refused) as caught:
        two.apply(proposal)
    assert caught.value.code == "merge-digest"
    path.unlink()
    with pytest.raises(Refused):
        two.apply(proposal, name="apply-2")
    assert two.held() == before


# --- a crash -----------------------------------------------------------------------------------


def test_a_commit_that_was_cut_off_is_asked_of_the_server(
    two: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.sql("living", GONE)
    proposal = two.propose()
    look = lambda name: two.door().look(proposal, two.wish(), name).answer  # noqa: E731
    assert look("apply-1") == "did-not-happen"
    work = two.door().apply(proposal, two.wish(), "apply-1")
    for said in work:
        if isinstance(said, Milestone) and "commits now" in said.text:
            assert look("apply-1") == "unknown"
            break
    work.close()
    assert look("apply-1") == "did-not-happen"
    assert two.held()[0] == 20

    commit = leases.MergeSession.commit

    def cut(session: leases.MergeSession) -> None:
        commit(session)
        session._connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(leases.MergeSession, "commit", cut)
    with pytest.raises(Interrupted):
        two.apply(proposal, name="apply-2")
    assert look("apply-2") == "happened"
    assert two.held()[0] == 60
    noted = two.folder / "merges" / "apply-2.json"
    document = json.loads(noted.read_text())
    noted.write_text(json.dumps(document | {"timeline": "7"}))
    assert look("apply-2") == "unknown"
    noted.write_text("{")
    assert look("apply-2") == "unknown"


def test_a_lock_that_is_held_ends_it_soon(two: Pair) -> None:
    two.sql("living", GONE)
    proposal = two.propose()
    with two.postgres.connect(two.names["living"]) as other:
        other.execute("BEGIN; LOCK TABLE bookings IN SHARE MODE")
        with pytest.raises(StepFailed):
            two.apply(proposal, lock_timeout=leases.timedelta(milliseconds=200))


def test_two_hundred_thousand_rows_take_as_many_statements_as_ten(
    two: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.both("CREATE TABLE many (id int PRIMARY KEY, note text);"
             "INSERT INTO many SELECT n, 'note ' || n FROM generate_series(1, 200000) n")  # fmt: skip
    two.sql("living", "DELETE FROM many")
    asked: list[object] = []
    for kind in (psycopg.Cursor,):
        run = kind.execute
        monkeypatch.setattr(kind, "execute", lambda self, query, *a, _run=run, **k: (asked.append(query), _run(self, query, *a, **k))[1])  # fmt: skip
    proposal = two.propose("many")
    assert proposal.what.tables[0].missing.count == 200_000
    outcome, _ = two.apply(proposal)
    assert outcome.tables[0].inserted == 200_000
    assert len(asked) < 150
    monkeypatch.undo()
    hashes = "SELECT count(*), sum(hashtext(t::text)) FROM many t"
    assert two.sql("living", hashes) == two.sql("restored", hashes)


def test_missing_rows_that_a_runbook_leaves_out_are_counted_and_not_merged(two: Pair) -> None:
    """A table that was not named still gets its own back."""
    two.sql("living", GONE)
    proposal = two.propose(missing={"bookings": "leave"})
    (one,) = proposal.what.tables
    assert (one.missing.count, one.missing.artifact, one.left_out) == (0, "", 40)
    assert not [name for name in proposal.artifacts if name.endswith(".rows")]
    before = two.held()
    outcome, _ = two.apply(proposal)
    assert outcome.tables[0].inserted == 0
    assert two.held() == before
    (other,) = two.propose(missing={"guests": "leave"}).what.tables
    assert (other.missing.count, other.left_out) == (40, 0)
