"""The control map as Markdown, and the page that says what an evidence bundle is."""

import textwrap

from drbook.core.bundle import OPEN, Manifest, ranges
from drbook.core.controls import BROKEN, ControlMap, Line
from drbook.core.values import counted, format_time, plain
from drbook.timeline.mdtext import text


def markdown_map(found: ControlMap) -> str:
    """Clause by clause: the records that speak to it, and what is not covered."""
    parts = [
        f"# Control map of incident {found.incident}",
        f"Mode: {found.mode.value}. Journal head: `{found.head}`. The numbers are those of the records "
        "in `journal.jsonl`. This says which records speak to a clause, and not that it is met.",
    ]
    parts += [_clause(line, found) for line in found.clauses]
    parts.append("## Never covered by a bundle\n\n" + _bullets(found.never_covered))
    return "\n\n".join(parts) + "\n"


def _clause(line: Line, found: ControlMap) -> str:
    rows = [f"## {line.clause}", f"{line.source}. {line.asks}"]
    kinds = list(dict.fromkeys(one.kind for one in line.records))
    if kinds:
        table = ["| what | records | how it ended |", "| --- | --- | --- |"]
        for kind in kinds:
            own = [one for one in line.records if one.kind == kind]
            ends = ", ".join(
                f"{one.seq}: {text(one.step)} {_loud(one.state)}" for one in own if one.state
            )
            table.append(f"| {found.kinds[kind]} | {ranges(one.seq for one in own)} | {ends} |")
        rows.append("\n".join(table))
    else:
        rows.append("No record speaks to it.")
    rows.append("Not covered:\n\n" + _bullets(line.not_covered))
    return "\n\n".join(rows)


def _loud(state: str) -> str:
    return f"**{state}**" if state.startswith(BROKEN) else state


def _bullets(said: tuple[str, ...]) -> str:
    return "\n".join(f"- {each}" for each in said)


def readme(manifest: Manifest) -> str:
    """What it is, what is in it and whom it concerns; plain text of at most 100 columns."""
    state = "still open" if manifest.outcome == OPEN else f"closed: {plain(manifest.outcome, 60)}"
    chain = manifest.journal
    rows = (
        "It holds rows of databases (--rows)."
        if manifest.rows
        else f"Rows of databases are left out: records {chain.withheld}."
        if chain.withheld
        else "No record holds rows of a database."
    )
    said = [
        f"Evidence of incident {manifest.incident}",
        f"{plain(manifest.title, 200)}. Mode: {manifest.mode.value}; {state}. Opened "
        f"{format_time(manifest.opened_at)}, last record {format_time(manifest.last_record_at)}.",
        f"journal.jsonl is the record: {counted(chain.records, 'record')}, head {chain.head}. All else "
        "but the runbook and the artifacts is made of it. controls.md says which record speaks to "
        "which clause, and what is not covered.",
        "A record without its rows is marked `withheld`, with the digest of its line as it was written: "
        f"the chain goes on from that. {rows}",
        "MANIFEST.json names each file by its SHA-256. It proves nothing by itself: whoever changes a "
        "file can make it anew. The signature beside this zip (FILE.zip.sig), or the head noted "
        "elsewhere, does. To check both: drbook journal verify FILE.zip --signers ALLOWED_SIGNERS",
        "Personal data in it:",
        *(f"- {plain(each.what, 300)} ({each.records})" for each in manifest.personal),
        *(f"LACKING: {plain(each, 300)}" for each in manifest.lacks),
    ]
    return "\n\n".join(textwrap.fill(each, 100, break_long_words=False) for each in said) + "\n"
