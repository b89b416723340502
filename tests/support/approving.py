"""People with SSH keys, who sign what a step waits for as anybody could: by ssh-keygen alone."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from drbook.core import events as ev
from drbook.core.approval import NAMESPACE
from drbook.journal.reader import read


def ssh_keygen(*arguments: object, given: str = "") -> str:
    """What it printed. Raises CalledProcessError where it says no."""
    done = subprocess.run(
        ["ssh-keygen", *map(str, arguments)],
        input=given.encode(),
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
    )
    return done.stdout.decode()


@dataclass
class People:
    """Keys in a folder, by the name of the key."""

    folder: Path
    made: dict[str, Path] = field(default_factory=dict)

    def key(self, name: str, kind: str = "ed25519") -> Path:
        if name not in self.made:
            path = self.folder / name
            size = ("-b", "2048") if kind == "rsa" else ()
            ssh_keygen("-q", "-t", kind, *size, "-N", "", "-C", name, "-f", path)
            self.made[name] = path
        return self.made[name]

    def line(self, person: str, key: str = "", options: str = "", kind: str = "ed25519") -> str:
        """A line of `allowed_signers`."""
        private = self.key(key or person, kind)
        public = private.with_name(f"{private.name}.pub").read_text().split()
        return " ".join(filter(None, (person, options, *public[:2])))

    def sign(self, name: str, text: str, namespace: str = NAMESPACE) -> str:
        return ssh_keygen("-Y", "sign", "-n", namespace, "-f", self.key(name), given=text)


def approvers(*lines: str) -> str:
    """The part of a runbook that holds them."""
    return "approvers:\n  lines:\n" + "".join(f"    - '{line}'\n" for line in lines)


def asked(journal: Path, step: str = "a") -> ev.ApprovalAsked:
    """What the step asked for last."""
    events = [record.event for record in read(journal)]
    return [one for one in events if isinstance(one, ev.ApprovalAsked) and one.step == step][-1]
