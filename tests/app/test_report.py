"""The end of a run, for a person."""

from pathlib import Path

from drbook.app.report import report_lines
from drbook.core.values import Json

DOCUMENT: dict[str, Json] = {
    "outcome": "pass",
    "reason": "every step is done and every check passed",
    "chosen": {"point": {"location": "s3://b/a\x1b[2J.dump", "taken_at": "2026-04-24T01:00:00Z"}},
    "rpo": {"objective_seconds": 86400.0, "measured_seconds": 93600.0, "met": False},
    "rto": {"objective_seconds": None, "measured_seconds": 90.0, "met": None},
    "target": {"kind": "cluster", "name": "restore-1", "location": "/var/incidents/one/t"},
    "tables": [{"verdict": "pass"}, {"verdict": "could-not-verify"}],
    "remarks": [
        {"verdict": "fail", "check": "index", "subject": "public.a", "words": "missing"},
        {"verdict": "pass", "check": "owner", "subject": "public.t", "words": "another"},
    ],
    "compared_with": {
        "holds": True,
        "stale": None,
        "reference": "manifest",
        "content": True,
        "baseline": None,
        "baseline_at": None,
    },
    "warnings": [],
    "journal": {"path": "/var/incidents/one/journal.jsonl", "head": "0123abcd"},
}


def test_what_was_lost_and_where_the_record_is() -> None:
    lines = report_lines(DOCUMENT, Path("/var/incidents/one"), name="one", start="pg_ctl start")
    assert lines == [
        "PASS  every step is done and every check passed",
        r"restored from  s3://b/a\x1b[2J.dump",
        "taken          2026-04-24T01:00:00Z",
        "data lost      26 h 00 m (objective 24 h 00 m: NOT MET)",
        "restored in    1 m 30 s (no objective stated)",
        "tables         1 of 2 hold what the backup held; 1 could not be verified",
        "fail           index public.a: missing",
        "worth knowing  1 remark in the timeline, beside the row counts",
        "target         cluster restore-1 in /var/incidents/one/t",
        "               its server has stopped with drbook; its data stays",
        "start it       pg_ctl start",
        "log in         as drbook_admin, whose password is in /var/incidents/one/t/drbook_admin.key",
        "journal        /var/incidents/one",
        "head           0123abcd",
        "timeline       drbook timeline one -o timeline.html",
    ]


def test_that_content_was_not_compared_is_said() -> None:
    compared: dict[str, Json] = {"stale": None, "reference": "manifest", "content": False}
    lines = report_lines(DOCUMENT | {"compared_with": compared}, Path("/x"), name="one")
    said = (
        "1 of 2 hold as many rows as the backup held; content not compared; 1 could not be verified"
    )
    assert f"tables         {said}" in lines


def test_what_people_chose_and_did_is_said() -> None:
    told: dict[str, Json] = {
        "loud": [{"step": "locate", "by": "ops", "said": "BREAK-GLASS by typing 'app' \x1b[2J"}],
        "choice": {"said": "Chosen by ops", "break_glass": False},
        "by_hand": [
            {"step": "verify", "said": "done, by the word of ops: counted", "without": []},
            {
                "step": "cutover",
                "said": "it is among the loud ones",
                "without": ["approval by CTO"],
            },
        ],
    }
    lines = report_lines(DOCUMENT | told, Path("/x"), name="one")
    assert lines[3:6] == [
        r"LOOK AT        locate: BREAK-GLASS by typing 'app' \x1b[2J",
        "by choice      Chosen by ops",
        "by hand        verify: done, by the word of ops: counted",
    ]


def test_many_remarks_are_counted_and_the_first_are_named() -> None:
    one: Json = {
        "verdict": "could-not-verify",
        "check": "view",
        "subject": "v\x1b[2J",
        "words": "?",
    }
    lines = report_lines(DOCUMENT | {"remarks": [one] * 12}, Path("/x"), name="one")
    assert lines.count(r"could-not-verify view v\x1b[2J: ?") == 10
    assert "               and 2 more: see the timeline" in lines


def test_a_verification_that_no_longer_holds_is_said_beside_its_tables() -> None:
    compared = {**DOCUMENT["compared_with"], "holds": False, "stale": "another copy was chosen"}  # type: ignore[dict-item]
    lines = report_lines(DOCUMENT | {"compared_with": compared}, Path("/x"), name="one")
    said = "LOOK AT        that verification no longer holds: another copy was chosen"
    assert lines[[line.startswith("tables") for line in lines].index(True) + 1] == said


def test_what_is_removed_is_not_offered() -> None:
    lines = report_lines(DOCUMENT, Path("/var/incidents/one"), name="")
    assert not [line for line in lines if "drbook timeline" in line or line.startswith("target")]


def test_what_nobody_knows_is_not_called_known() -> None:
    """No manifest, a copy that only its store dates, and a restore that has not happened."""
    stored = {"objective_seconds": 86400.0, "measured_seconds": 60.0, "met": None, "at_least": True}
    by_baseline: dict[str, Json] = {
        "stale": None,
        "reference": "baseline",
        "baseline": "b",
        "baseline_at": None,
    }
    lines = report_lines(
        DOCUMENT | {"rpo": stored, "rto": None, "compared_with": by_baseline},
        Path("/x"),
        name="one",
    )
    assert lines[3] == (
        "data lost      at least 1 m 00 s (objective 24 h 00 m: unknown: only when the copy was "
        "stored is known)"
    )
    assert "what the backup held is unknown" in lines[4]
    before = report_lines(DOCUMENT | {"target": None, "tables": []}, Path("/x"), name="one")
    assert [line.split("  ")[0] for line in before[1:4]] == ["chosen", "taken", "would lose"]
    assert not [line for line in before if line.startswith(("restored", "target", "data lost"))]
