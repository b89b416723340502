"""How a signature stands, and the exit code that follows from it; and what one says of itself."""

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from enum import StrEnum

from drbook.core.errors import ExitCode
from drbook.core.signers import fingerprint


class Standing(StrEnum):
    NONE = "not signed"
    ANYBODY = "signed by a key that was held against no list"
    GOOD = "signed"
    BAD = "the signature is not one over these bytes"
    REFUSED = "signed by nobody who is accepted"
    MISSING = "not signed, and a signer was asked for"
    UNCHECKED = "the signature could not be checked"


_CODES = {
    Standing.BAD: ExitCode.FAILED,
    Standing.REFUSED: ExitCode.REFUSED,
    Standing.MISSING: ExitCode.REFUSED,
    Standing.UNCHECKED: ExitCode.COULD_NOT_VERIFY,
}


@dataclass(frozen=True, slots=True)
class Signature:
    """What checking one showed."""

    standing: Standing
    identity: str = ""
    """Who signed, as the list of signers calls them; empty where it was held against none."""
    key: str = ""
    """Kind and fingerprint of the key."""
    why: str = ""
    """What was said by the program that checked it."""

    @property
    def code(self) -> ExitCode:
        return _CODES.get(self.standing, ExitCode.DONE)


# --- what one says of itself ---------------------------------------------------------------------

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_WIDTH = 70
"""Of the lines that ssh-keygen writes."""
_BLOCK = re.compile(rf"\s*{_BEGIN}([A-Za-z0-9+/=\s]*){_END}\s*", re.ASCII)
_MAGIC = b"SSHSIG"
MOST = 16 * 1024
"""Characters of a block that is looked at."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a signature says of itself; none of it is proved by that."""

    kind: str
    """Of its key, like `ssh-ed25519`."""
    fingerprint: str
    namespace: str
    """What it was made for."""

    @property
    def key(self) -> str:
        return f"{self.kind} {self.fingerprint}"


def armoured(text: str) -> str:
    """The one signature in what was pasted, in the one way that ssh-keygen writes it. A chat may have broken
    its lines anew or indented them. Raises ValueError that says why it is none."""
    if len(text) > MOST:
        raise ValueError("it is longer than any signature")
    if text.count(_BEGIN) > 1:
        raise ValueError("there is more than one signature in it")
    found = _BLOCK.fullmatch(text)
    if found is None:
        around = _BEGIN in text and _END in text
        raise ValueError(
            "there is something else in it beside the signature" if around else "it is no signature"
        )
    digits = "".join(found[1].split())
    try:
        whole = base64.b64encode(base64.b64decode(digits, validate=True)).decode() == digits
    except binascii.Error:
        whole = False
    if not digits or not whole:
        raise ValueError("it is not whole")
    lines = [digits[at : at + _WIDTH] for at in range(0, len(digits), _WIDTH)]
    return "\n".join((_BEGIN, *lines, _END, ""))


def opened(signature: str) -> Opened:
    """Of an armoured one (PROTOCOL.sshsig of OpenSSH, section 3). Raises ValueError."""
    body = "".join(signature.split("\n")[1:-2])
    data = base64.b64decode(body)
    try:
        if data[:6] != _MAGIC or struct.unpack(">I", data[6:10]) != (1,):
            raise ValueError("it is not of a version that is known")
        key, rest = _string(data[10:])
        namespace, _ = _string(rest)
        kind, _ = _string(key)
        return Opened(kind.decode("ascii"), fingerprint(key), namespace.decode("utf-8"))
    except (struct.error, UnicodeDecodeError):
        raise ValueError("it is not whole") from None


def _string(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", data[:4])
    if length > len(data) - 4:
        raise ValueError("it is not whole")
    return data[4 : 4 + length], data[4 + length :]
