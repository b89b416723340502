"""Encrypted dumps: opened by the program they were made for, and what is said where that does not go.

gpg and age are the real ones where they are installed. Elsewhere a program stands in for age that behaves
as age 1.1.1 was seen to, word for word.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError
from support.pg import signals_of

from drbook.core.baseline import Manifest
from drbook.core.errors import UsageError
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import ProcessStarted, Progress, Signal, Working
from drbook.core.values import parse_time
from drbook.providers.archive import packed_by
from drbook.providers.archive_check import check_structure
from drbook.providers.backups import BackupCatalog, Fetched
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.process import Completed
from drbook.providers.sealed import _by_age, _by_gpg
from drbook.providers.sources.directory import DirectorySource

DUMP = (
    b"-- PostgreSQL database dump\n" + b"".join(b"SELECT %d;\n" % one for one in range(30_000))
    + b"-- PostgreSQL database dump complete\n"
)  # fmt: skip
STAND_IN = """#!{python}
import sys
assert sys.argv[1:4] == ["--decrypt", "--identity", "-"]
key, sealed = sys.stdin.read().strip().encode(), open(sys.argv[4], "rb").read()
head, _, rest = sealed.partition(b"\\n")
wanted, _, rest = rest.partition(b"\\n")
flip = bytes(each ^ 0x80 for each in range(256))
def fail(words):
    sys.exit("age: error: " + words + "\\nage: report unexpected or unhelpful errors at https://filippo.io")
if not key.startswith(b"AGE-SECRET-KEY-1"):
    fail('reading "-": failed to read "-": error at line 1: unknown identity type')
if wanted != key[::-1]:
    fail("no identity matched any of the recipients")
body, _, end = rest.rpartition(b"#")
body = body.translate(flip)
sys.stdout.buffer.write(body[: len(body) // 2])
if end != b"%d" % sum(body):
    fail("failed to decrypt and authenticate payload chunk")
sys.stdout.buffer.write(body[len(body) // 2 :])
"""
S2K_COUNT = "65536"
AGE_KEY = "AGE-SECRET-KEY-1STANDSINFORONETHATOPENSIT"


@dataclass(frozen=True)
class Kit:
    """One way of encrypting: what the runbook says, and what it takes to encrypt."""

    program: str
    suffix: str
    decrypt: dict[str, str]
    right: dict[str, str]
    wrong: dict[str, str]
    """Values of the secrets, by reference."""
    seal: Callable[[bytes], bytes]


def _age(folder: Path) -> Kit:
    if shutil.which("age") is None:
        binary = folder / "bin" / "age"
        binary.write_text(STAND_IN.format(python=sys.executable))
        binary.chmod(0o755)

        def stand_in(data: bytes) -> bytes:
            key = AGE_KEY.encode()[::-1]
            hidden = data.translate(bytes(each ^ 0x80 for each in range(256)))
            return b"age-encryption.org/v1\n" + key + b"\n" + hidden + b"#%d" % sum(data)

        keys, seal = (AGE_KEY, AGE_KEY + "X"), stand_in
    else:
        made = [_ran(["age-keygen"]) for _ in range(2)]
        to = next(line for line in made[0].splitlines() if b"public key" in line).split()[-1]
        keys = (made[0].decode(), made[1].decode())

        def real(data: bytes) -> bytes:
            return _ran(["age", "-r", to.decode()], data)

        seal = real
    ref = "env:AGE"
    return Kit(
        "age", ".age", {"program": "age", "identity": ref}, {ref: keys[0]}, {ref: keys[1]}, seal
    )


def _ran(argv: Sequence[str], data: bytes = b"", **environment: str) -> bytes:
    return subprocess.run(
        argv, input=data, capture_output=True, check=True, env=os.environ | environment
    ).stdout


def _gpg_key(folder: Path) -> Kit:
    secrets = []
    for name in ("right", "wrong"):
        home = tempfile.mkdtemp(prefix="t-gpg-")
        # An agent measures at its start what a passphrase may cost, and asks that of every use.
        Path(home, "gpg-agent.conf").write_text(f"s2k-count {S2K_COUNT}\n")
        usual = ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "pass-phrase-9"]
        _ran(
            [*usual, "--quick-gen-key", name, "future-default", "default", "never"], GNUPGHOME=home
        )
        secrets.append(_ran([*usual, "--armor", "--export-secret-keys", name], GNUPGHOME=home))
        if name == "right":
            public = _ran(["gpg", "--batch", "--export", name], GNUPGHOME=home)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)

    def seal(data: bytes) -> bytes:
        home = folder / "pub"
        home.mkdir(mode=0o700, exist_ok=True)
        key = folder / "pub.key"
        key.write_bytes(public)
        return _ran(
            ["gpg", "--batch", "--no-autostart", "-z", "0", "-f", str(key), "--encrypt"],
            data, GNUPGHOME=str(home),
        )  # fmt: skip

    refs = {"key": "env:KEY", "passphrase": "env:PASS"}
    right = {"env:KEY": secrets[0].decode(), "env:PASS": "pass-phrase-9"}
    wrong = right | {"env:KEY": secrets[1].decode()}
    return Kit("gpg", ".gpg", {"program": "gpg", **refs}, right, wrong, seal)


def _gpg_phrase(folder: Path) -> Kit:
    def seal(data: bytes) -> bytes:
        home = folder / "sym"
        home.mkdir(mode=0o700, exist_ok=True)
        usual = ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "pass-phrase-9"]
        argv = [*usual, "-z", "0", "--s2k-count", S2K_COUNT, "--armor", "--symmetric"]
        return _ran(argv, data, GNUPGHOME=str(home))

    ref = "env:PASS"
    return Kit(
        "gpg", ".asc", {"program": "gpg", "passphrase": ref}, {ref: "pass-phrase-9"},
        {ref: "another-phrase"}, seal,
    )  # fmt: skip


KITS = {"age": _age}
if shutil.which("gpg"):
    KITS |= {"gpg with a key": _gpg_key, "gpg with a passphrase": _gpg_phrase}


@pytest.fixture(scope="module", params=list(KITS))
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        (Path(folder) / "bin").mkdir()
        patch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
        yield KITS[request.param](Path(folder))


class World:
    """A directory of encrypted copies and an incident's folder."""

    def __init__(self, folder: Path, kit: Kit) -> None:
        self.kit = kit
        self.place, self.incident = folder / "place", folder / "incident"
        self.place.mkdir()
        self.incident.mkdir()
        self.secrets = dict(kit.right)
        self.sealed = kit.seal(DUMP)
        self.path = self.put(f"shop.sql{kit.suffix}", self.sealed)

    def put(self, name: str, data: bytes) -> Path:
        path = self.place / name
        path.write_bytes(data)
        return path

    def state(self, data: bytes) -> None:
        """A manifest beside the copy, which these are the bytes of."""
        at = parse_time("2026-04-24T03:00Z")
        stated = Manifest(
            drbook_manifest=1, name=self.path.name, size=len(data),
            sha256=sha256(data).hexdigest(), taken_at=at,
        )  # fmt: skip
        self.path.with_name(self.path.name + ".manifest.json").write_text(stated.model_dump_json())

    def catalog(self) -> BackupCatalog:
        source = DirectorySource.model_validate(
            {"id": "shelf", "path": str(self.place), "decrypt": self.kit.decrypt}
        )
        return BackupCatalog(
            [source], self.incident, CancelToken(), secrets=self._secret, check_structure=_check
        )

    def _secret(self, reference: str) -> Secret:
        if reference not in self.secrets:
            raise UsageError(f"The secret {reference} cannot be read: it is not set.")
        return Secret(self.secrets[reference])

    def point(self) -> RecoveryPoint:
        (found,) = signals_of(self.catalog().points("shelf"))[0]
        return found

    def fetch(self) -> tuple[Fetched, list[Signal]]:
        return signals_of(self.catalog().fetch(self.point()))

    @property
    def copies(self) -> list[str]:
        folder = self.incident / "copies"
        return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def _check(path: Path, cancel: Cancel) -> Working[Any]:
    return (yield from check_structure(path, (), cancel))


@pytest.fixture
def world(tmp_path: Path, kit: Kit) -> World:
    return World(tmp_path, kit)


def started(said: Sequence[Signal]) -> list[ProcessStarted]:
    return [each for each in said if isinstance(each, ProcessStarted)]


def downloads(said: Sequence[Signal]) -> list[Progress]:
    return [
        each for each in said if isinstance(each, Progress) and each.label.startswith("download")
    ]


def test_it_is_opened_and_read_to_its_end(world: World) -> None:
    (fact, copy), said = world.fetch()
    assert fact.state == "structure", fact
    assert fact.reason.startswith("decrypted; read to its end")
    assert copy is not None
    path = world.incident / copy.name
    assert path.read_bytes() == DUMP
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (copy.size, copy.sha256) == (len(DUMP), sha256(DUMP).hexdigest())
    assert world.copies == [path.name, f"{path.name}.checked.json"]  # the encrypted one is gone
    values = [
        part for value in world.kit.right.values() for part in value.split() if len(part) > 12
    ]
    for each in started(said):
        assert not any(value in " ".join(each.argv) for value in values)


def test_it_is_opened_once(world: World) -> None:
    first, _ = world.fetch()
    again, said = world.fetch()
    assert again == first
    assert (started(said), downloads(said)) == ([], [])


def test_what_the_manifest_states_of_the_encrypted_file_proves_it(world: World) -> None:
    world.state(world.sealed)
    first, _ = world.fetch()
    assert (first[0].state, first[1] and first[1].checked) == ("intact", "digest")
    again, said = world.fetch()
    assert (again, started(said)) == (first, [])


def test_another_file_than_its_manifest_states_is_not_even_opened(world: World) -> None:
    world.state(bytes(len(world.sealed)))
    (fact, copy), said = world.fetch()
    assert (fact.state, copy, started(said)) == ("damaged", None, [])
    assert world.copies == []


def test_a_wrong_key_says_nothing_of_the_copy(world: World) -> None:
    world.secrets = dict(world.kit.wrong)
    (fact, copy), _ = world.fetch()
    assert (fact.state, copy) == ("unknown", None)
    assert fact.reason.startswith(f"{world.kit.program} cannot decrypt it: ")
    assert any(
        words in fact.reason
        for words in ("no identity matched", "No secret key", "Bad session key")
    ), fact.reason
    assert not any(DUMP[:20] in each.read_bytes() for each in (world.incident / "copies").iterdir())
    world.secrets = dict(world.kit.right)
    (fact, copy), said = world.fetch()
    assert (fact.state, copy is not None) == ("structure", True)
    assert downloads(said) == []  # what was fetched is fetched


def test_where_it_is_not_authentic_it_is_damaged_and_nothing_stays(world: World) -> None:
    at = len(world.sealed) * 3 // 4
    data = bytearray(world.sealed)
    if data[at] in b"\r\n=" or data[at] ^ 1 in b"\r\n=":
        at += 2
    data[at] ^= 1
    world.path.write_bytes(data)
    (fact, copy), _ = world.fetch()
    if world.kit.suffix == ".asc" and fact.state == "unknown":
        assert "CRC" in fact.reason  # its armour tells before gpg can authenticate it
        return
    assert (fact.state, copy) == ("damaged", None), fact
    assert "not authentic" in fact.reason
    assert world.copies == []


def test_one_that_ends_early_is_never_used(world: World) -> None:
    world.path.write_bytes(world.sealed[: len(world.sealed) * 3 // 4])
    (fact, copy), _ = world.fetch()
    assert fact.state in ("damaged", "unknown")
    assert copy is None
    assert not any(name.endswith((".sql", ".opening")) for name in world.copies)


def test_without_the_program_nothing_is_fetched_and_it_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (fact, copy), said = world.fetch()
    assert (fact.state, copy) == ("unknown", None)
    program = world.kit.program
    assert fact.reason.startswith(f"{program} is unavailable here: install {program}")
    assert (downloads(said), started(said)) == ([], [])


def test_without_the_secret_nothing_is_fetched(world: World) -> None:
    world.secrets = {}
    (fact, copy), said = world.fetch()
    assert (fact.state, copy) == ("unknown", None)
    assert "cannot be read: it is not set" in fact.reason
    assert (downloads(said), started(said)) == ([], [])


def test_what_is_not_encrypted_beside_it_is_read_as_it_is(world: World) -> None:
    world.path.write_bytes(DUMP)
    (fact, copy), said = world.fetch()
    assert (fact.state, started(said)) == ("structure", [])
    assert copy is not None
    assert (world.incident / copy.name).read_bytes() == DUMP
    assert not fact.reason.startswith("decrypted")


def test_that_it_is_encrypted_is_no_damage_before_it_is_read(world: World) -> None:
    fact = world.catalog().facts(world.point()).bytes
    assert fact.state == "unread"
    assert "it is encrypted" in fact.reason


def test_no_agent_and_no_key_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(agents())
    with tempfile.TemporaryDirectory(prefix="g-") as own:  # others leave and take theirs meanwhile
        monkeypatch.setattr(tempfile, "tempdir", own)
        world.fetch()
        assert os.listdir(own) == []
        left = [command for command in set(agents()) - before if own in command]
    monkeypatch.undo()
    assert left == []


def agents() -> Iterator[str]:
    """The command lines of all gpg agents."""
    for each in psutil.process_iter(["name", "cmdline"]):
        if each.info["name"] == "gpg-agent":
            yield " ".join(each.info["cmdline"] or [])


# --- words -------------------------------------------------------------------------------------


def done(code: int, stderr: str) -> Completed:
    return Completed(code, "", stderr, 0.0)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("failed to decrypt and authenticate payload chunk", "damaged"),
        ("bad header MAC", "damaged"),
        ("no identity matched any of the recipients", "unknown"),
        ("failed to read header: failed to parse header: failed to read line: EOF", "unknown"),
    ],
)
def test_only_what_age_could_not_authenticate_is_damage(said: str, state: str) -> None:
    """As age 1.1.1 says it."""
    report = "\nage: report unexpected or unhelpful errors at https://filippo.io/age/report\n"
    fact = _by_age(done(1, f"age: error: {said}{report}"))
    assert fact is not None
    assert fact.state == state
    assert fact.reason.endswith(f"age: error: {said}")


@pytest.mark.parametrize(
    ("code", "stderr", "state"),
    [
        (0, "[GNUPG:] DECRYPTION_OKAY\n[GNUPG:] GOODMDC\n", None),
        (0, "gpg: WARNING: message was not integrity protected\n", "unknown"),
        (2, "[GNUPG:] BADMDC\n[GNUPG:] DECRYPTION_FAILED\n", "damaged"),
        (2, "[GNUPG:] NO_SECKEY 1\ngpg: decryption failed: No secret key\n", "unknown"),
        (2, "gpg: Fatal: zlib inflate problem: incorrect data check\n", "unknown"),
        (2, "gpg: [GNUPG:] BADMDC is what a file is called\n", "unknown"),
    ],
)
def test_only_what_gpg_could_not_authenticate_is_damage(
    code: int, stderr: str, state: str | None
) -> None:
    """As gpg 2.2.40 says it."""
    fact = _by_gpg(done(code, stderr))
    assert (fact and fact.state) == state


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x85\x01\x8c\x03\xde1\n\\\x93\x1d)1\x01", "OpenPGP"),
        (b"\x84\x5e\x03\xde1\n\\\x93", "OpenPGP"),
        (b"\xc1\xc0\x4c\x03\xde1\n\\", "OpenPGP"),
        (b"\x8c\x0d\x04\x09\x03\x08\x84", "OpenPGP"),
        (b"\xc3\x0d\x04\x09\x03\x08\x84", "OpenPGP"),
        (b"-----BEGIN PGP MESSAGE-----", "OpenPGP"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "age"),
        (b"\x85\x01", ""),
        (b"\x85\x01\x8c\x09", ""),
        (b"\x1f\x8b\x08\x03", ""),
    ],
)
def test_how_an_encrypted_file_begins(head: bytes, name: str) -> None:
    assert packed_by(head) == name


@pytest.mark.parametrize(
    "decrypt",
    [
        {"program": "gpg"},
        {"program": "age"},
        {"program": "pgp", "key": "env:X"},
        {"program": "age", "identity": "AGE-SECRET-KEY-1"},
        {"program": "age", "identity": "env:X", "passphrase": "env:Y"},
    ],
)
def test_what_a_runbook_may_not_say(decrypt: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        DirectorySource.model_validate({"id": "a", "path": "/x", "decrypt": decrypt})
