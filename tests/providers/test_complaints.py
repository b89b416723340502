"""What loading programs complain of: every line told apart, counted by kind, and none swallowed."""

from datetime import UTC, datetime

import pytest
from support.pg import signals_of

from drbook.core.baseline import Identity
from drbook.core.errors import Refused, StepFailed
from drbook.core.signals import Milestone
from drbook.core.targets import DatabaseRef, Target
from drbook.providers.process import Completed
from drbook.providers.targets.complaints import KEPT, Complaints, check, kind_of, read_line
from drbook.providers.targets.lease import Guard

TARGET = Target(
    kind="cluster",
    name="restore-1",
    nonce="0" * 32,
    location="/nowhere",
    connect=DatabaseRef(host="/nowhere"),
    identity=Identity(
        system_identifier="7",
        database="x",
        database_oid=5,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    ),
    proof="",
    whole_server=True,
)


def ended(code: int, stderr: str = "") -> Completed:
    return Completed(code, "", stderr, 1.0)


LINES = [
    ("pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist", "error",
     "missing role"),
    ("pg_restore: error: could not execute query: ERROR:  extension \"postgis\" is not available",
     "error", "missing extension"),
    ("psql:<stdin>:12: ERROR:  relation \"out of memory\" already exists", "error",
     "duplicate object"),
    ("psql:<stdin>:12: ERROR:  permission denied for schema x", "error", "permission"),
    ("pg_restore: error: could not execute query: ERROR:  must be owner of table t", "error",
     "permission"),
    ("pg_restore: error: COPY failed for table \"t\": ERROR:  could not extend file "
     "\"base/5/16384\": No space left on device", "error", "disk full"),
    ("psql:<stdin>:3: ERROR:  out of memory", "error", "out of memory"),
    ("psql:<stdin>:3: error: connection to server was lost", "error", "connection lost"),
    ("psql: error: connection to server on socket \"/x\" failed: FATAL:  no", "error",
     "connection lost"),
    ("psql:<stdin>:3: FATAL:  terminating connection due to administrator command", "error",
     "connection lost"),
    ("psql:<stdin>:3: ERROR:  tablespace \"fast\" does not exist", "error", "missing tablespace"),
    ("psql:<stdin>:3: ERROR:  function f() does not exist", "error", "missing object"),
    ("psql:<stdin>:3: ERROR:  could not create unique index \"u\"", "error", "duplicate key"),
    ("psql:<stdin>:3: ERROR:  new row for relation \"t\" violates check constraint \"c\"", "error",
     "violated constraint"),
    ("psql:<stdin>:3: ERROR:  invalid byte sequence for encoding \"UTF8\": 0xff", "error",
     "unreadable value"),
    ("psql:<stdin>:3: ERROR:  unrecognized configuration parameter \"x\"", "error",
     "unknown setting"),
    ("psql:<stdin>:3: ERROR:  syntax error at or near \"TABEL\"", "error", "syntax"),
    ("psql:<stdin>:3: ERROR:  this is new", "error", "other"),
    ("pg_restore: warning: errors ignored on restore: 3", "warning", "other"),
    ("pg_restore: WARNING:  wal_level is insufficient", "warning", "other"),
    ("psql:<stdin>:9: WARNING:  no privileges were granted for \"t\"", "warning", "other"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "level", "kind"), LINES, ids=[row[2] for row in LINES])
def test_kinds(line: str, level: str, kind: str) -> None:
    found = read_line(line)
    assert found is not None
    assert (found[0], kind_of(found[1])) == (level, kind)


@pytest.mark.parametrize(
    "line",
    [
        "",
        'pg_restore: creating TABLE "public.error: x"',
        'pg_restore: processing data for table "public.ERROR:"',
        "psql:<stdin>:9: NOTICE:  table does not exist, skipping",
        "LINE 1: SELECT 'ERROR: no'",
        "Command was: SELECT 'pg_restore: error: no'",
        "CONTEXT:  COPY t, line 1: psql:<stdin>:9: ERROR:  no",
    ],
)
def test_what_is_no_complaint(line: str) -> None:
    assert read_line(line) is None


def test_all_are_counted_and_the_first_are_kept() -> None:
    heard = Complaints(Guard(TARGET))
    for number in range(3 * KEPT):
        assert heard.hear(f"psql:<stdin>:{number}: ERROR:  type t{number} does not exist")
        assert not heard.hear(f"psql:<stdin>:{number}: WARNING:  number {number}\x1b[2J")
    (error,), (warning,) = heard.of("error"), heard.of("warning")
    assert (error.kind, error.count, len(error.first)) == ("missing object", 3 * KEPT, KEPT)
    assert (warning.count, len(warning.first)) == (3 * KEPT, KEPT)
    assert "\x1b" not in warning.first[0]


def test_a_good_end_hands_back_the_warnings_and_records_them() -> None:
    heard = Complaints(Guard(TARGET))
    assert signals_of(check(ended(0), "psql", TARGET, heard)) == ((), [])
    heard.hear("pg_restore: warning: a")
    found, said = signals_of(check(ended(0), "pg_restore", TARGET, heard))
    assert [(one.kind, one.count) for one in found] == [("other", 1)]
    assert [type(one) for one in said] == [Milestone]


@pytest.mark.parametrize("code", [0, 1, 3])
def test_an_error_fails_the_load_whatever_the_exit_code_is(code: int) -> None:
    heard = Complaints(Guard(TARGET))
    heard.hear("pg_restore: warning: a")
    heard.hear('psql:<stdin>:3: ERROR:  role "app" does not exist')
    said: list[object] = []
    with pytest.raises(StepFailed) as caught:
        said.extend(check(ended(code), "psql", TARGET, heard))
    assert caught.value.code == "load"
    assert 'role "app" does not exist' in caught.value.what
    kinds = [one.data["kinds"] for one in said if isinstance(one, Milestone)]  # type: ignore[index,call-overload]
    assert kinds == [{"other": 1}, {"missing role": 1}]


@pytest.mark.parametrize("stderr", ["", "FEHLER:  etwas anderes\n"])
def test_a_bad_end_without_an_error_fails_it_too(stderr: str) -> None:
    work = check(ended(1, stderr), "psql", TARGET, Complaints(Guard(TARGET)))
    with pytest.raises(StepFailed) as caught:
        signals_of(work)
    assert "exit code 1" in caught.value.what
    assert stderr.strip() in caught.value.what


def test_what_only_a_superuser_may_says_which_entry_it_was() -> None:
    heard = Complaints(Guard(TARGET))
    stderr = "pg_restore: from TOC entry 3421; 0 0 SCHEMA - x\x1b[2J y\n"
    for line in (
        stderr,
        "pg_restore: error: could not execute query: ERROR:  permission denied for x",
    ):
        heard.hear(line)
    with pytest.raises(StepFailed) as caught:
        signals_of(check(ended(1, stderr), "pg_restore", TARGET, heard))
    assert caught.value.code == "load-denied"
    assert "entry 3421; 0 0 SCHEMA - x\\x1b" in caught.value.what


def test_the_guards_complaint_is_a_refusal_whatever_else_was_said() -> None:
    guard = Guard(TARGET)
    heard = Complaints(guard)
    heard.hear(f"psql:<stdin>:1: ERROR:  drbook: this is not the target {guard.token}")
    with pytest.raises(Refused) as caught:
        signals_of(check(ended(0), "psql", TARGET, heard))
    assert caught.value.code == "target-changed"
