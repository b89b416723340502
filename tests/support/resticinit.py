"""Repositories that the real restic opens within milliseconds, made without asking it to make each.

`restic init` asks for half a second of scrypt from everybody who opens the repository later, on purpose;
tests open hundreds. What scrypt is to cost stands in the key's own file, and restic takes any figure from
there. So restic makes one repository for the whole process, and the others are that one with an id, keys
and a password of their own. The format is in restic's design document, "Keys, Encryption and MAC"."""

import base64
import functools
import hashlib
import json
import os
import secrets
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

COST = {"N": 2, "r": 1, "p": 1}
SALT, NONCE, TAG = 64, 16, 16


def init(place: Path, password: str) -> None:
    """Does what `restic init` does for a folder that is not there yet, but for the cost of opening it."""
    pattern = _pattern()
    for folder in ("", *pattern.folders):
        (place / folder).mkdir(mode=0o700, parents=True)
    master = _Keys(secrets.token_bytes(32), secrets.token_bytes(16), secrets.token_bytes(16))
    settings = pattern.settings | {"id": secrets.token_hex(32)}
    _write(place / "config", master.seal(json.dumps(settings).encode()))
    described = pattern.key | COST
    salt = secrets.token_bytes(SALT)
    sealed = _derived(password, salt, described).seal(master.written())
    data = json.dumps(described | {"salt": _text(salt), "data": _text(sealed)}).encode()
    _write(place / "keys" / hashlib.sha256(data).hexdigest(), data)


@dataclass(frozen=True)
class _Keys:
    """What encrypts (AES-256 in counter mode), and what authenticates (Poly1305 over AES-128)."""

    encrypt: bytes
    k: bytes
    r: bytes

    def seal(self, plain: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        hidden = self._counted(nonce, plain)
        return nonce + hidden + self._tag(nonce, hidden)

    def open(self, sealed: bytes) -> bytes:
        nonce, hidden, tag = sealed[:NONCE], sealed[NONCE:-TAG], sealed[-TAG:]
        assert self._tag(nonce, hidden) == tag
        return self._counted(nonce, hidden)

    def written(self) -> bytes:
        mac = {"k": _text(self.k), "r": _text(self.r)}
        return json.dumps({"mac": mac, "encrypt": _text(self.encrypt)}).encode()

    @classmethod
    def read(cls, written: bytes) -> "_Keys":
        said = json.loads(written)
        mac = said["mac"]
        return cls(*(base64.b64decode(each) for each in (said["encrypt"], mac["k"], mac["r"])))

    def _counted(self, nonce: bytes, data: bytes) -> bytes:
        return Cipher(algorithms.AES256(self.encrypt), modes.CTR(nonce)).encryptor().update(data)

    def _tag(self, nonce: bytes, hidden: bytes) -> bytes:
        # ECB over the one block of the nonce is what the specification of Poly1305-AES asks for.
        hashed = Cipher(algorithms.AES128(self.k), modes.ECB()).encryptor().update(nonce)
        return Poly1305.generate_tag(self.r + hashed, hidden)


@dataclass(frozen=True)
class _Pattern:
    """What restic made: its folders, what `config` says, and what stands beside the sealed key."""

    folders: tuple[str, ...]
    settings: dict[str, object]
    key: dict[str, object]


@functools.cache
def _pattern() -> _Pattern:
    word = "once per process"
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as folder:
        place = Path(folder, "pattern")
        subprocess.run(
            ["restic", "-q", "--no-cache", f"--repo={place}", "init"],
            env={**os.environ, "RESTIC_PASSWORD": word},
            check=True,
        )
        (key,) = (place / "keys").iterdir()
        described = json.loads(key.read_bytes())
        salt, sealed = (base64.b64decode(described[name]) for name in ("salt", "data"))
        master = _Keys.read(_derived(word, salt, described).open(sealed))
        folders = sorted(str(each.relative_to(place)) for each in place.rglob("*") if each.is_dir())
        return _Pattern(
            tuple(folders), json.loads(master.open((place / "config").read_bytes())), described
        )


def _derived(password: str, salt: bytes, cost: dict[str, object]) -> _Keys:
    n, r, p = (int(str(cost[name])) for name in COST)
    memory = 256 * n * r + (1 << 20)
    made = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=64)
    return _Keys(made[:32], made[32:48], made[48:])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _write(path: Path, data: bytes) -> None:
    """With the mode that restic gives, for nobody writes there twice."""
    path.write_bytes(data)
    path.chmod(0o400)
