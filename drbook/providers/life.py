"""This process, as a later one knows it again: by a token that each of its children carries, and by the
boot and the namespace in which its numbers mean anything."""

import os
import secrets
from functools import cache
from pathlib import Path

from drbook.core.events import Life

VARIABLE = "DRBOOK_CHILD"
"""In the environment of every child: the token of the life that started it, a dot, and its own."""

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")


@cache
def this_life() -> Life:
    """Ours. Boot and namespace are empty where this system does not say."""
    return Life(token=secrets.token_hex(16), boot=_boot(), pids=_namespace())


def child_token() -> str:
    """A new one; nobody else has it."""
    return f"{this_life().token}.{secrets.token_hex(8)}"


def _boot() -> str:
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _namespace() -> str:
    try:
        return os.readlink(NAMESPACE)
    except OSError:
        return ""
