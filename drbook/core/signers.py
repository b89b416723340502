"""Whose keys may approve: an `allowed_signers` file (ssh-keygen(1), ALLOWED SIGNERS) read as a list of people.

Pure. It is read more narrowly than ssh-keygen reads it: each line names one person, so that two keys of one
person count once and nobody hides behind a pattern.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drbook.core.signeroptions import EVERYTHING, Options, read_options

LARGEST = 64 * 1024
"""Bytes of such a file."""
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
_KIND = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+", re.ASCII)
_WORDS = re.compile(r'(?:[^\s"]|"[^"]*")+')


@dataclass(frozen=True, slots=True)
class Signer:
    """One key of one person."""

    person: str
    kind: str
    """As in the file, like `ssh-ed25519`."""
    fingerprint: str
    """As ssh-keygen shows it: `SHA256:` and 43 digits."""
    options: Options = EVERYTHING

    @property
    def key(self) -> str:
        return f"{self.kind} {self.fingerprint}"


def fingerprint(blob: bytes) -> str:
    """Of a public key as it stands on the wire (ssh-keygen(1), -l)."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def same(one: str, other: str) -> bool:
    """Whether two names are one person's: nobody is somebody else by a capital letter."""
    return one.strip().casefold() == other.strip().casefold()


def read_signers(text: str) -> tuple[Signer, ...]:
    """The people of the file in its order. Raises ValueError that names the line."""
    if len(text.encode("utf-8", "backslashreplace")) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    found: list[Signer] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append(_signer(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
    if not found:
        raise ValueError("it names nobody")
    for one in found:
        if other := next((each for each in found if _shared(one, each)), None):
            raise ValueError(f"one key is that of {one.person} and of {other.person}")
    return tuple(found)


def people(signers: Sequence[Signer]) -> tuple[str, ...]:
    """Each person once, as first written."""
    return tuple({one.person.casefold(): one.person for one in reversed(signers)}.values())[::-1]


def unable(signers: Sequence[Signer], namespace: str, at: datetime | None = None) -> dict[str, str]:
    """Whoever has no key that is taken for the namespace at that time, or without one at any time; and why, by
    the last of the keys."""
    found = dict[str, str]()
    for name in people(signers):
        reasons = [
            one.options.never(namespace) if at is None else one.options.not_at(at, namespace)
            for one in signers
            if same(one.person, name)
        ]
        if all(reasons):
            found[name] = reasons[-1]
    return found


def _shared(one: Signer, other: Signer) -> bool:
    return one.fingerprint == other.fingerprint and not same(one.person, other.person)


def _signer(line: str) -> Signer:
    person, *rest = _WORDS.findall(line) or [""]
    if not _PERSON.fullmatch(person):
        raise ValueError(
            "it has to begin with one person's name, without patterns, commas and quotes"
        )
    options = EVERYTHING
    if rest and not _KIND.fullmatch(rest[0]):
        if "cert-authority" in rest[0].lower().split(","):
            raise ValueError("a certificate authority is no person")
        options, rest = read_options(rest[0]), rest[1:]
    if len(rest) < 2 or not _KIND.fullmatch(rest[0]):
        raise ValueError("a kind of key and the key are expected behind the name and its options")
    kind, digits = rest[:2]
    try:
        blob = base64.b64decode(digits, validate=True)
        (length,) = struct.unpack(">I", blob[:4])
    except (binascii.Error, struct.error):
        raise ValueError("its key is not one as ssh-keygen writes it") from None
    if blob[4 : 4 + length] != kind.encode():
        raise ValueError(f"its key is not of the kind {kind}")
    return Signer(person, kind, fingerprint(blob), options)
