"""A small incident with everything that a bundle takes from one, and bundles made anew by a tamperer."""

import hashlib
import io
import subprocess
from pathlib import Path

from drbook.app.bundle import gathered
from drbook.core import bundle
from drbook.core import events as ev
from drbook.core.bundle import Manifest
from drbook.core.events import Effect, Mode, Plan, StepEnd
from drbook.core.values import Json
from drbook.journal.writer import Writer
from drbook.providers import plainzip
from drbook.providers.contents import packed

ID = "20260424-211912-shop-7f3a"
BOOK = b"""drbook: 1
title: Shop lost
contacts: [{name: Ada Night, phone: "+49 30 1234567"}]
production:
  database: {host: db.example, user: ops}
steps:
  - {id: ask, phase: detect, do: sql, with: {sql: select 1}}
  - {id: talk, phase: reconcile, needs: [], do: manual}
"""
EVIL = "\x1b[2J</script><script>alert(1)</script> \u202e=cmd|'/c calc'!A1 ../../etc/passwd"
SECRET_ROW = "grace@customers.example"


def incident(home: Path, *, ends: str | None = "aborted", hostile: str = "a note") -> Path:
    """An incident's folder, with an artifact and a query's rows; open where `ends` is None."""
    folder = home / "incidents" / ID
    (folder / "artifacts").mkdir(parents=True)
    (folder / "runbook.yaml").write_bytes(BOOK)
    kept = b"what a step kept"
    name = f"artifacts/{hashlib.sha256(kept).hexdigest()}.txt"
    (folder / name).write_bytes(kept)
    result: Json = {
        "columns": ["mail"], "rows": [[SECRET_ROW], [None]], "value": SECRET_ROW, "count": 2,
        "truncated": False,
    }  # fmt: skip
    with Writer(folder / "journal.jsonl", mode=Mode.DRILL, host="recovery") as writer:
        writer.append("ops", _opened())
        plan = Plan(does=("ask",))
        writer.append("ops", ev.StepPlanned(
            step="ask", attempt=1, action="sql", effect=Effect.NONE, params={}, plan=plan, digest="0" * 64,
        ))  # fmt: skip
        writer.append("ops", ev.StepStarted(step="ask", attempt=1))
        writer.append("ops", ev.StepFinished(
            step="ask", attempt=1, state=StepEnd.SUCCEEDED, result=result, duration_ms=5, artifacts=(name,),
        ))  # fmt: skip
        writer.append(hostile, ev.NoteAdded(text=hostile))
        if ends is not None:
            writer.append("ops", ev.IncidentClosed(outcome=ends, exit_code=3))
    return folder


def _opened() -> ev.IncidentOpened:
    return ev.IncidentOpened(
        incident=ID, mode=Mode.DRILL, title="Shop lost", runbook_file="shop.yaml", drbook_version="1",
        runbook_sha256=hashlib.sha256(BOOK).hexdigest(), steps=("ask", "talk"),
        environment={"python": "3.11.9", "pg_restore": "18.6"},
    )  # fmt: skip


def remade(path: Path, files: dict[str, bytes], **changed: object) -> Path:
    """A bundle of these files, with a manifest that names them: what a tamperer who knows all does."""
    manifest = Manifest.model_validate_json(files[bundle.MANIFEST])
    own = {name: data for name, data in files.items() if name != bundle.MANIFEST}
    named = {name: packed(data) for name, data in sorted(own.items())}
    manifest = manifest.model_copy(update={"files": named, **changed})
    path.unlink(missing_ok=True)
    plainzip.write(path, own | {bundle.MANIFEST: manifest.written()})
    return path


def files_of(data: bytes) -> dict[str, bytes]:
    stream = io.BytesIO(data)
    return {each.name: b"".join(plainzip.blocks(stream, each)) for each in plainzip.members(stream)}


def small(path: Path, folder: Path) -> Path:
    """A bundle whose exports are short, for tests that go through every byte of it."""
    manifest, contents = gathered(folder, rows=False)
    files = {
        name: data if isinstance(data, bytes) else data.read_bytes()
        for name, data in contents.items()
    }
    for name in ("timeline.html", "timeline.md", "timeline.csv", "controls.json", "controls.md",
                 "README.txt"):  # fmt: skip
        files[name] = f"head {manifest.journal.head}\n".encode()
    return remade(path, files, personal=manifest.personal[:1])


def key(folder: Path, name: str) -> Path:
    """A new SSH key without a passphrase."""
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True
    )
    return path


def signers(path: Path, *lines: tuple[str, str, Path]) -> Path:
    """An `allowed_signers` file: name, options and key of each."""
    said = []
    for name, options, key in lines:
        public = key.with_suffix(".pub").read_text().split()
        said.append(" ".join(filter(None, (name, options, *public[:2]))))
    path.write_text("\n".join(said) + "\n")
    return path
