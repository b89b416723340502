"""Sources whose dumps may be encrypted: which installed program opens them, and by which secrets."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drbook.core.targets import SecretRef
from drbook.core.values import Frozen
from drbook.providers.sources.base import OpenableSource


class Age(Frozen):
    """By `age`."""

    program: Literal["age"]
    identity: SecretRef
    """What `age-keygen` wrote, or an SSH key that has no passphrase."""


class Gpg(Frozen):
    """By `gpg`, in a home of its own that is removed again; the operator's key ring is not asked."""

    program: Literal["gpg"]
    key: SecretRef | None = None
    """The secret key, as `gpg --export-secret-keys --armor` writes it; absent: encrypted by a passphrase
    alone."""
    passphrase: SecretRef | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.key is None and self.passphrase is None:
            raise ValueError("give a key, a passphrase, or both")
        return self


Decrypt = Annotated[Age | Gpg, Field(discriminator="program")]


class SealedSource(OpenableSource):
    """A kind whose copies may be encrypted as files."""

    decrypt: Decrypt | None = None
    """How; absent: what is encrypted is listed, and never read."""


_SEALS = {"age": "age", "gpg": "OpenPGP"}


def seal_of(config: SealedSource) -> str:
    """What this source's copies may be encrypted with and are opened, as `archive.packed_by` names it."""
    return _SEALS[config.decrypt.program] if config.decrypt is not None else ""
