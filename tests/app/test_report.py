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
    "tables": [{"verdict": "pass"}, {"verdict": "could-not-verify"}],
    "journal": {"path": "/var/incidents/one/journal.jsonl", "head": "0123abcd"},
}


def test_what_was_lost_and_where_the_record_is() -> None:
    assert report_lines(DOCUMENT, Path("/var/incidents/one"), name="one") == [
        "PASS  every step is done and every check passed",
        r"restored from  s3://b/a\x1b[2J.dump",
        "taken          2026-04-24T01:00:00Z",
        "data lost      26 h 00 m (objective 24 h 00 m: NOT MET)",
        "restored in    1 m 30 s (no objective stated)",
        "tables         1 of 2 hold what the backup held",
        "journal        /var/incidents/one",
        "head           0123abcd",
        "timeline       drbook timeline one -o timeline.html",
    ]


def test_what_is_removed_is_not_offered() -> None:
    lines = report_lines(DOCUMENT, Path("/var/incidents/one"), name="")
    assert not [line for line in lines if "drbook timeline" in line]


def test_what_nobody_knows_is_unknown() -> None:
    unknown = {"objective_seconds": 3600.0, "measured_seconds": None, "met": None}
    lines = report_lines(
        DOCUMENT | {"rpo": unknown, "rto": None, "chosen": None, "tables": [], "journal": None},
        Path("/x"),
        name="one",
    )
    assert lines[1:] == ["data lost      unknown (objective 1 h 00 m: unknown)"]
