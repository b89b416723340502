"""Markers in the place of secrets, a detector that finds them in any encoding, and a watcher of processes."""

import base64
import json
import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

LETTERS = "ghjkmnpqrstvwxyz"
"""None of them is a hexadecimal digit: digests and random names never look like a marker."""


class Markers:
    """The secrets of one run. Each holds the same tag twice, so that half of one is found as well."""

    def __init__(self) -> None:
        self.tag = "".join(secrets.choice(LETTERS) for _ in range(9))
        self.known: dict[str, str] = {}

    def new(self, name: str, *, hard: bool = False) -> str:
        """A fresh secret; a hard one holds what has to be escaped somewhere."""
        unique = secrets.token_hex(4)
        between = "'\"+/ é%&<" if hard else ""
        self.known[name] = f"{self.tag}{unique}{between}{self.tag}{unique}"
        return self.known[name]

    def named(self, text: str) -> str:
        """Which of them a text is, or the empty string."""
        return next((name for name, value in self.known.items() if value == text), "")


class Detector:
    """Finds a marker, or half of one, in bytes: raw, in base64 (three alignments), in hexadecimal; URL
    quoting, JSON and HTML leave its letters as they are. Line breaks in between do not hide it."""

    def __init__(self, markers: Markers) -> None:
        tag = markers.tag.encode()
        self.forms: dict[str, list[bytes]] = {"raw": [tag], "hex": [tag.hex().encode()]}
        cores = []
        for offset in range(3):
            text = base64.b64encode(b"\0" * offset + tag)
            cores.append(text[-(-offset * 8 // 6) : (offset + len(tag)) * 8 // 6])
        self.forms["base64"] = cores

    def forms_in(self, data: bytes) -> list[str]:
        # What stands between the letters of a broken text: line breaks as bytes or as JSON, colours.
        joined = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\\[rnt]|\\u0000|\\x00|[\s\x00]+", b"", data)
        found = []
        for form, needles in self.forms.items():
            for text in (data, joined):
                searched = text.lower() if form == "hex" else text
                if any(needle in searched for needle in needles):
                    found.append(form)
                    break
        return found


@dataclass(frozen=True, order=True)
class Hit:
    channel: str
    where: str
    forms: tuple[str, ...]


@dataclass
class Ledger:
    """What was looked at, by channel, and what was found."""

    detector: Detector
    looked: dict[str, int] = field(default_factory=dict)
    hits: set[Hit] = field(default_factory=set)
    allowed: dict[str, set[str]] = field(default_factory=dict)
    """By listed channel: where a secret was seen that belongs there."""

    def look(self, channel: str, where: str, data: bytes | str) -> bool:
        text = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        self.looked[channel] = self.looked.get(channel, 0) + 1
        forms = self.detector.forms_in(text)
        if forms:
            self.hits.add(Hit(channel, where, tuple(forms)))
        return bool(forms)

    def allow(self, listed: str, where: str) -> None:
        self.allowed.setdefault(listed, set()).add(where)

    def table(self) -> str:
        """Channels, how many things were looked at in each, and how many of them held a secret."""
        count = dict.fromkeys(sorted(self.looked), 0)
        for hit in self.hits:
            count[hit.channel] += 1
        lines = [f"{'channel':<44}{'looked at':>10}{'hits':>6}"]
        lines += [f"{name:<44}{self.looked[name]:>10,}{hits:>6}" for name, hits in count.items()]
        lines += ["", "seen where it is listed:"]
        lines += [f"  {name} ({len(places)})" for name, places in sorted(self.allowed.items())]
        lines += [f"HIT {hit.channel}: {hit.where} {hit.forms}" for hit in sorted(self.hits)]
        return "\n".join(lines)


def files_under(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.is_file() and not path.is_symlink():
                yield path


def channel_of(path: Path) -> str:
    """What kind of thing a file is, for the table."""
    parts = set(path.parts)
    if "targets" in parts or "data" in parts or path.parent.name.startswith("drbook-restore"):
        return "restored clusters and their logs"
    for channel, marks in {
        "journal": ("journal.jsonl",),
        "stored runbook": ("runbook.yaml",),
        "errors.log and last-error.log": ("errors.log", "last-error.log"),
    }.items():
        if path.name in marks:
            return channel
    if path.suffix in (".md", ".html", ".csv", ".json") and "exports" in parts:
        return f"export {path.suffix[1:]}"
    if "artifacts" in parts or "copies" in parts:
        return "artifacts and fetched copies"
    if "inbox" in parts:
        return "inbox"
    return "other files"


def look_at_files(ledger: Ledger, folder: Path, allowed: Iterable[Path] = ()) -> None:
    """Every file under a folder, and every name."""
    excused = {path.resolve() for path in allowed}
    for path in files_under(folder):
        ledger.look("names of files", str(path), os.fsencode(path))
        if path.resolve() not in excused:
            ledger.look(channel_of(path), str(path), path.read_bytes())


class Watcher:
    """Polls /proc while a run lasts: the argv of every process, and of the run's own family their
    environments and the deleted files that they still hold open."""

    def __init__(self, ledger: Ledger, root: int) -> None:
        self._ledger = ledger
        self._root = root
        self._ended = threading.Event()
        self._seen: set[tuple[int, bytes]] = set()
        self.core_limits: set[str] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.poll()

    def poll(self) -> None:
        parents = _parents()
        family = {self._root}
        for pid in sorted(parents):  # a child's pid may be smaller; the next round finds it then
            if parents[pid] in family:
                family.add(pid)
        for pid in parents:
            argv = _bytes(f"/proc/{pid}/cmdline")
            if (pid, argv) not in self._seen:
                self._seen.add((pid, argv))
                self._ledger.look("argv of every process (/proc)", f"{pid} {argv[:60]!r}", argv)
                if pid in family:
                    self._look_at_member(pid, argv)
            if pid in family:
                self._look_at_deleted(pid)

    def _look_at_member(self, pid: int, argv: bytes) -> None:
        environment = _bytes(f"/proc/{pid}/environ")
        words = argv.split(b"\0")
        if self._ledger.detector.forms_in(environment):
            self._ledger.allow(owner_of_environment(words, pid == self._root), str(words[:4]))
        self._ledger.looked["environments (/proc)"] = (
            self._ledger.looked.get("environments (/proc)", 0) + 1
        )
        limits = _bytes(f"/proc/{pid}/limits").decode(errors="replace")
        self.core_limits |= set(re.findall(r"Max core file size +(\S+)", limits))

    def _look_at_deleted(self, pid: int) -> None:
        folder = f"/proc/{pid}/fd"
        try:
            numbers = os.listdir(folder)
        except OSError:
            return
        for number in numbers:
            path = f"{folder}/{number}"
            try:
                name = os.readlink(path)
                if name.endswith(" (deleted)") and os.path.isfile(path):
                    with open(path, "rb") as stream:
                        self._ledger.look("deleted files still open", name, stream.read(1 << 22))
            except OSError:
                continue


_OF_SHELLS = ("sh", "dash", "bash")
_OF_LEAKS = ("base64", "od", "cut", "head", "tr")
"""What the campaign's own `shell` steps start; a look catches one of them now and then."""


def owner_of_environment(argv: list[bytes], is_root: bool) -> str:
    """Which row of the README's table a process with a secret in its environment belongs to; a process
    that belongs to none is named by itself, and fails the run."""
    text = b" ".join(argv)
    program = Path(os.fsdecode(argv[0])).name
    if program.startswith("python") and len(argv) > 1 and argv[1].endswith(b"/borg"):
        program = "borg"  # which is a script
    if b"launcher.py" in text:
        wanted = argv[argv.index(b"--") + 1 :]
        return owner_of_environment(wanted, False) if wanted else "launcher"
    if is_root or (b"drbook" in text and program.startswith("python")):
        return "environment of drbook"
    if program in ("pg_restore", "psql"):
        return "environment of `pg_restore` and `psql`"
    if program in ("restic", "borg", "rclone", "pgbackrest"):
        return f"environment of `{program}`"
    if b"credential-helper" in text:
        return "environment of a `cmd:` program"
    if program in (*_OF_SHELLS, *_OF_LEAKS) or b"canary-step" in text:
        return "environment of a `shell` command"
    return f"NOT LISTED: environment of {program}"


REMOVED = {
    r"^\d+-rclone\.conf$": "a private copy of the `config` of `rclone`",
    r"-0\d{19}-[0-9a-f]{8}\.json(\.taken)?$": "a note from another seat, in the inbox",
    r"^\d+-identities\.json$": "`identities.json` of the demo's S3 server",
}
"""Listed files that are removed by drbook itself, by their names."""


def look_at_events(ledger: Ledger, folder: Path) -> None:
    """What the probe inside drbook saw: every process that it started, every file that it removed."""
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        ledger.look(
            "argv of drbook's children (audit)", str(event["argv"])[:80], "\0".join(event["argv"])
        )
        held = [
            name for name, value in event["env"].items() if ledger.detector.forms_in(value.encode())
        ]
        ledger.looked["environments (audit)"] = ledger.looked.get("environments (audit)", 0) + 1
        if held:
            argv = [word.encode() for word in event["argv"]]
            ledger.allow(owner_of_environment(argv, False), f"{held} {event['argv'][8:10]}")
    for path in files_under(folder / "removed"):
        own = next((row for name, row in REMOVED.items() if re.search(name, path.name)), "")
        if own and ledger.detector.forms_in(path.read_bytes()):
            ledger.allow(own, str(path))
            continue
        ledger.look("temporary files, before they were removed", str(path), path.read_bytes())


def _parents() -> dict[int, int]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            stat = _bytes(f"/proc/{name}/stat")
            if stat:
                found[int(name)] = int(stat.rpartition(b")")[2].split()[1])
    return found


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
