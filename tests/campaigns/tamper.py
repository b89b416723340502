"""Is every change to an evidence bundle found? A bundle of a real drill with some MB of artifacts is flipped,
cut, reordered and rebuilt; `drbook journal verify --signers` and the README's recipe look at each.

    python tests/campaigns/tamper.py [--small BYTES] [--sample N]

Every byte of the zip's own structure and of members up to --small bytes is flipped, and N bytes of each
larger one, among them its first and last. The content is looked at without the signature, so that it cannot
hide what the rest would miss. Whatever is built anew is then tried thrice: under the signature that was
given, signed by a stranger, and signed by the accepted key itself, which tells what is found without it.
Needs ssh-keygen, jq, unzip and sha256sum.
"""

import argparse
import hashlib
import io
import json
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.bundles import files_of, key, remade, signers

from drbook.app.bundle import write_bundle
from drbook.app.bundlecheck import look_in, verify_bundle
from drbook.core import events as ev
from drbook.core.bundle import JOURNAL, MANIFEST, NAMESPACE
from drbook.core.events import Mode
from drbook.core.signatures import Standing
from drbook.journal.codec import FIRST, digest
from drbook.journal.writer import Writer
from drbook.providers import plainzip, sshsign
from drbook.providers.plainzip import Member
from drbook.providers.sshsign import Asked

ROOT = Path(__file__).parents[2]
DRILL = ROOT / "tests" / "pictures" / "drill"
"""A drill that was led by hand once, in the demo's world with its real servers."""
WHO = "ops@example.com"


@dataclass(frozen=True)
class Sealed:
    """A signed bundle, who may sign, and a key that may not."""

    path: Path
    own: Path
    stranger: Path
    asked: Asked

    @property
    def seal(self) -> Path:
        return self.path.with_name(self.path.name + ".sig")


@dataclass
class Findings:
    """What came of it."""

    flips: int = 0
    unseen: list[str] = field(default_factory=list)
    """Changes that were not found, and by what."""
    by_signature_alone: dict[str, list[str]] = field(default_factory=dict)
    """Changes that nothing but the signature finds: by drbook, and by the recipe."""
    changes: int = 0


def drilled(folder: Path) -> Path:
    """The recorded drill, as an incident's folder."""
    incident = json.loads((DRILL / JOURNAL).read_bytes().splitlines()[0])["data"]["incident"]
    home = folder / "incidents" / incident
    home.mkdir(parents=True)
    for name in (JOURNAL, "runbook.yaml"):
        shutil.copy(DRILL / name, home)
    return home


def sealed(folder: Path, home: Path, *, mebibytes: float) -> Sealed:
    """A bundle of an incident, with a provider's log of that size taken into its record."""
    log = random.Random(7).randbytes(int(mebibytes * 1024 * 1024))
    sha256 = hashlib.sha256(log).hexdigest()
    kept = f"artifacts/{sha256}.jsonl"
    (home / "artifacts").mkdir(exist_ok=True)
    (home / kept).write_bytes(log)
    with Writer(home / JOURNAL, mode=Mode.DRILL, host="recovery-1") as writer:
        taken = ev.ExternalFileTaken(name="log.jsonl", sha256=sha256, artifacts=(kept,), entries=1)
        writer.append("ops", taken)
        entry = ev.ExternalEntryAdded(
            happened_at=datetime(2026, 4, 24, 19, tzinfo=UTC), text="DeleteVolume", source="provider",
            file=sha256, line=1, digest=sha256,
        )  # fmt: skip
        writer.append("ops", entry)
    own, stranger = key(folder, "own"), key(folder, "stranger")
    path = folder / "shop.zip"
    write_bundle(home, path, key=own, rows=True)
    allowed = signers(folder / "allowed_signers", (WHO, "", own))
    return Sealed(path, own, stranger, Asked(allowed.read_bytes(), WHO))


# --- flips -----------------------------------------------------------------------------------------


def places(data: bytes, small: int, sample: int, seed: int = 1) -> list[int]:
    """Every byte that is no member's, every byte of small members, some of each large one."""
    chosen, ends, rng = set[int](), 0, random.Random(seed)
    for member in plainzip.members(io.BytesIO(data)):
        chosen.update(range(ends, member.start))
        ends = member.start + member.size
        inside = range(member.start, ends)
        if member.size > small:
            chosen.update({inside[0], inside[-1], *rng.sample(inside, min(sample, len(inside)))})
        else:
            chosen.update(inside)
    chosen.update(range(ends, len(data)))
    return sorted(chosen)


def flip(data: bytes, chosen: Iterable[int], found: Findings) -> None:
    """Each in turn; a bit that the place decides."""
    changed = bytearray(data)
    for at in chosen:
        changed[at] ^= 1 << at % 8
        if not look_in(io.BytesIO(changed)).problems:
            found.unseen.append(f"a bit of byte {at}")
        changed[at] ^= 1 << at % 8
        found.flips += 1


# --- other changes ---------------------------------------------------------------------------------


def _end(data: bytes) -> tuple[int, int, int]:
    """Members, size and place of the directory."""
    values = struct.unpack("<4s4H2IH", data[-22:])
    return values[3], values[5], values[6]


def _tail(count: int, size: int, at: int, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, at, len(comment)) + comment


def _zip(entries: list[tuple[str, bytes]]) -> bytes:
    body, directory = b"", b""
    for name, text in entries:
        coded, crc = name.encode(), plainzip.zlib.crc32(text)
        directory += plainzip._central(coded, crc, len(text), len(body))
        body += plainzip._local(coded, crc, len(text)) + text
    return body + directory + _tail(len(entries), len(directory), len(body))


def borders(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Cut off where a member's header or its bytes begin or end, where the directory begins, and in it."""
    ends = 0
    for member in plainzip.members(io.BytesIO(data)):
        for at in (ends, member.start):
            yield f"cut off at {at}, before {member.name}", data[:at]
        ends = member.start + member.size
    _, size, at = _end(data)
    for cut in (at, at + size // 2, at + size, len(data) - 1):
        yield f"cut off at {cut}", data[:cut]


def rebuilt(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What another program, or somebody with a hex editor, makes of it."""
    entries = list(files_of(data).items())
    names = [name for name, _ in entries]
    count, size, at = _end(data)
    last = entries[-1]
    yield "a member twice", _zip([*entries, last])
    yield "a member twice, with other bytes", _zip([*entries, (last[0], b"other")])
    yield "the journal twice, the forged one first", _zip([(JOURNAL, b"{}\n"), *entries])
    yield "a member added", _zip(sorted([*entries, ("zzz", b"x")]))
    yield "an artifact added", _zip(sorted([*entries, ("artifacts/" + "0" * 64, b"x")]))
    yield "members in another order", _zip(entries[::-1])
    for name in names:
        yield f"{name} removed", _zip([one for one in entries if one[0] != name])
        yield f"{name} renamed", _zip(sorted((f"x{n}" if n == name else n, t) for n, t in entries))
        yield f"{name} emptied", _zip([(n, b"" if n == name else t) for n, t in entries])
    yield "two members exchanged", _zip(_exchanged(entries, "timeline.md", "timeline.csv"))
    yield "a byte behind it", data + b"\0"
    yield "a second zip behind it", data + _zip([("README.txt", b"other")])
    yield "a byte before it", b"\0" + data
    yield "a comment", data[:-22] + _tail(count, size, at, b"hello")
    yield (
        "bytes before the directory",
        data[:at] + b"xx" + data[at:-22] + _tail(count, size, at + 2),
    )
    yield "a zip64 end", _zip64(data, count, size, at)
    yield "an extra field", _extra(data, count, size, at)
    yield "the directory says deflated", _method(data, at)


def _exchanged(entries: list[tuple[str, bytes]], one: str, other: str) -> list[tuple[str, bytes]]:
    held = dict(entries)
    held[one], held[other] = held[other], held[one]
    return list(held.items())


def _zip64(data: bytes, count: int, size: int, at: int) -> bytes:
    """The end of a zip64 and its locator put before the end (APPNOTE 4.3.14 and 4.3.15)."""
    there = at + size
    end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, at)
    return data[:-22] + end + struct.pack("<4sIQI", b"PK\6\7", 0, there, 1) + data[-22:]


def _extra(data: bytes, count: int, size: int, at: int) -> bytes:
    """An extra field of four bytes in the first entry of the directory (4.3.12)."""
    name = struct.unpack_from("<H", data, at + 28)[0]
    entry = bytearray(data[at : at + 46 + name])
    struct.pack_into("<H", entry, 30, 4)
    rest = data[at + 46 + name : at + size]
    return data[:at] + bytes(entry) + b"xx\0\0" + rest + _tail(count, size + 4, at)


def _method(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into("<H", changed, at + 10, 8)
    return bytes(changed)


def forged(path: Path, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Rebuilt with a manifest that fits, as somebody does who knows all but the key."""
    files = files_of(data)
    for name, change in {**_FORGERIES, **_insiders()}.items():
        remade(path, change(files))
        yield name, path.read_bytes()
    for name, changed in _STATEMENTS.items():
        remade(path, files, **changed)
        yield name, path.read_bytes()


def _artifact(files: Mapping[str, bytes]) -> dict[str, bytes]:
    name = next(one for one in files if one.startswith("artifacts/"))
    return {**files, name: b"x" + files[name][1:]}


def _rechained(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The journal without a line in its middle, chained anew, with the new head in every export."""
    lines = files[JOURNAL].splitlines()
    old, head, kept = digest(lines[-1]), FIRST, list[bytes]()
    middle = len(lines) // 2
    for number, line in enumerate([*lines[:middle], *lines[middle + 1 :]], 1):
        again = re.sub(rb'"prev":"[0-9a-f]{64}"', b'"prev":"' + head.encode() + b'"', line)
        again = re.sub(rb'^\{"seq":\d+', b'{"seq":%d' % number, again)
        kept.append(again + b"\n")
        head = digest(again)
    told = {name: text.replace(old.encode(), head.encode()) for name, text in files.items()}
    return {**told, JOURNAL: b"".join(kept)}


def _without_artifact(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: text for name, text in files.items() if not name.startswith("artifacts/")}


def _lines(
    files: Mapping[str, bytes], change: Callable[[list[bytes]], list[bytes]]
) -> dict[str, bytes]:
    return {**files, JOURNAL: b"".join(change(files[JOURNAL].splitlines(keepends=True)))}


def _lied(lie: tuple[str, bytes, bytes], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What an insider would rather have a file say, under the head that it keeps."""
    name, before, after = lie
    if before not in files[name]:
        raise AssertionError(f"{name} holds no {before!r}")
    return {**files, name: files[name].replace(before, after)}


def _insiders() -> dict[str, Callable[[Mapping[str, bytes]], dict[str, bytes]]]:
    """Derived files that say something else than the journal, which is true."""
    claim = b"<p>Verified. No data was lost.</p>"
    lies = {
        "a claim in timeline.html": ("timeline.html", b"</h1>", b"</h1>" + claim),
        "an actor in timeline.html": ("timeline.html", b"<td>ops</td>", b"<td>ben</td>"),
        "a verdict in timeline.html": ("timeline.html", b"verified", b"proved"),
        "an actor in timeline.csv": ("timeline.csv", b",ops,", b",ben,"),
        "an actor in timeline.md": ("timeline.md", b"| ops |", b"| ben |"),
        "what controls.md covers": ("controls.md", b"Not covered", b"Covered"),
        "what controls.json covers": ("controls.json", b'"not_covered"', b'"covered"'),
        "the page about it": ("README.txt", b"proves nothing", b"proves everything"),
        "versions.json": ("versions.json", b'"drbook": "', b'"drbook": "9'),
    }  # fmt: skip
    return {f"insider: {name}": partial(_lied, lie) for name, lie in lies.items()}


def _said(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    """Another title in an export that keeps its head."""
    title = json.loads(files[MANIFEST])["title"].encode()
    return {**files, name: files[name].replace(title, b"X" + title[1:])}


_FORGERIES: dict[str, Callable[[Mapping[str, bytes]], dict[str, bytes]]] = {
    "forged: an artifact": _artifact,
    "forged: without the artifact": _without_artifact,
    "forged: the journal chained anew": _rechained,
    "forged: the journal cut": lambda files: _lines(files, lambda lines: lines[:-3]),
    "forged: a line exchanged": lambda files: _lines(files, lambda lines: [*lines[:4], *lines[5:3:-1], *lines[6:]]),
    "forged: the runbook": lambda files: {**files, "runbook.yaml": files["runbook.yaml"] + b"# x\n"},
    "forged: a word of timeline.json": lambda files: _said(files, "timeline.json"),
    "forged: a word of timeline.html": lambda files: _said(files, "timeline.html"),
    "forged: a word of timeline.md": lambda files: _said(files, "timeline.md"),
    "forged: a word of timeline.csv": lambda files: _said(files, "timeline.csv"),
}  # fmt: skip


_STATEMENTS: dict[str, dict[str, object]] = {
    "insider: no personal data": {"personal": ()},
    "insider: another outcome": {"outcome": "made up"},
    "insider: said to lack": {"lacks": ("runbook.yaml: it burned",)},
}


# --- who finds it ----------------------------------------------------------------------------------


def recipe(folder: Path) -> bool:
    """Whether the recipe of the README calls the bundle in that folder whole and signed."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    script = re.search(r"^```bash\n(ssh-keygen -Y verify.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert script is not None
    shutil.rmtree(folder / "evidence", ignore_errors=True)
    ran = subprocess.run(
        ["bash", "-c", script[1]],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    shutil.rmtree(folder / "evidence", ignore_errors=True)
    return ran.returncode == 0 and ran.stdout.endswith(b"whole and signed\n")


def passes(bundle: Sealed) -> bool:
    """Whether `drbook journal verify --signers` passes it."""
    looked, signature = verify_bundle(bundle.path, bundle.asked)
    sure = not (looked.problems or looked.unverified or looked.unread)
    return sure and signature.standing is Standing.GOOD


def sign(bundle: Sealed, by: Path) -> None:
    with bundle.path.open("rb") as stream:
        bundle.seal.write_bytes(sshsign.sign(stream, by, NAMESPACE))


def try_change(bundle: Sealed, name: str, data: bytes, found: Findings, *, thrice: bool) -> None:
    """Under the given signature and a stranger's it must be found; under the accepted key's, it is told."""
    given = bundle.seal.read_bytes()
    bundle.path.write_bytes(data)
    found.changes += 1
    for whose in ("the given signature", "a stranger's"):
        if whose == "a stranger's":
            if not thrice:
                break
            sign(bundle, bundle.stranger)
        for who, wrong in (("drbook", passes(bundle)), ("the recipe", recipe(bundle.path.parent))):
            if wrong:
                found.unseen.append(f"{name}, under {whose}, by {who}")
    if thrice:
        sign(bundle, bundle.own)
        for who, missed in (("drbook", passes(bundle)), ("the recipe", recipe(bundle.path.parent))):
            if missed:
                found.by_signature_alone.setdefault(who, []).append(name)
    bundle.seal.write_bytes(given)


def signatures(bundle: Sealed, other: bytes, found: Findings) -> None:
    """The bundle untouched, and another signature beside it."""
    given = bundle.seal.read_bytes()
    with bundle.path.open("rb") as stream:
        elsewhere = sshsign.sign(stream, bundle.own, "git")
        stream.seek(0)
        strange = sshsign.sign(stream, bundle.stranger, NAMESPACE)
    body = bytearray(given)
    body[len(body) // 2] ^= 1
    for name, text in {
        "of another bundle by the same key": other,
        "by a stranger": strange,
        "for another purpose": elsewhere,
        "with a flipped bit": bytes(body),
        "cut": given[: len(given) // 2],
        "empty": b"",
    }.items():
        bundle.seal.write_bytes(text)
        found.changes += 1
        for who, wrong in (("drbook", passes(bundle)), ("the recipe", recipe(bundle.path.parent))):
            if wrong:
                found.unseen.append(f"a signature {name}, by {who}")
    bundle.seal.write_bytes(given)


def campaign(bundle: Sealed, *, small: int, sample: int, every: int = 1) -> Findings:
    """All of it, or each `every`-th change. The bundle is whole again at the end."""
    found, folder, data = Findings(), bundle.path.parent, bundle.path.read_bytes()
    if not (passes(bundle) and recipe(bundle.path.parent)):
        raise AssertionError("the bundle as it was made does not pass")
    flip(data, places(data, small, sample)[::every], found)
    for name, changed in list(borders(data))[::every]:
        if not look_in(io.BytesIO(changed)).problems:
            found.unseen.append(f"{name}, by its content")
        try_change(bundle, name, changed, found, thrice=False)
    anew = [*rebuilt(data), *forged(folder / "forged.zip", data)]
    for name, changed in anew[::every]:
        try_change(bundle, name, changed, found, thrice=True)
    other = folder / "other.zip"
    other.write_bytes(data + b"x")
    with other.open("rb") as stream:
        given = sshsign.sign(stream, bundle.own, NAMESPACE)
    bundle.path.write_bytes(data)
    signatures(bundle, given, found)
    if not (passes(bundle) and recipe(bundle.path.parent)):
        raise AssertionError("the bundle that was put back does not pass")
    return found


def _described(members: tuple[Member, ...], size: int) -> str:
    return f"{len(members)} members, {size:,} bytes; " + ", ".join(
        f"{one.name[:24]} {one.size:,}" for one in members
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--small", type=int, default=16_384, help="bytes of members of which every one is flipped"
    )
    parser.add_argument(
        "--sample", type=int, default=2_000, help="bytes that are flipped of each larger one"
    )
    parser.add_argument("--mebibytes", type=float, default=4.0)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="drbook-tamper-") as folder:
        bundle = sealed(Path(folder), drilled(Path(folder)), mebibytes=given.mebibytes)
        found = campaign(bundle, small=given.small, sample=given.sample)
        with (Path(folder) / "shop.zip").open("rb") as stream:
            print(_described(plainzip.members(stream), stream.seek(0, io.SEEK_END)))
    print(
        f"{found.flips:,} flips and {found.changes} other changes in {time.monotonic() - began:.0f} s"
    )
    for who, names in found.by_signature_alone.items():
        print(f"found by {who} through the signature alone: {'; '.join(names)}")
    for one in found.unseen:
        print(f"NOT FOUND: {one}")
    print("holds" if not found.unseen else "DOES NOT HOLD")
    return 1 if found.unseen else 0


if __name__ == "__main__":
    sys.exit(main())
