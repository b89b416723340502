"""How a signature stands, and the exit code that follows from it."""

from dataclasses import dataclass
from enum import StrEnum

from drbook.core.errors import ExitCode


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
