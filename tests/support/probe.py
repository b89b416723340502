"""`drbook` with an observer inside: python probe.py FOLDER ARGUMENTS…

Every process that it starts is noted with its arguments and its environment, every file that it
removes is kept, and temporary files without a name get one, so that nothing passes between two looks.
On demand (`CANARY_*`) it makes the demo's keys markers, and puts defects in that hold a secret.
"""

import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

FOLDER = Path(sys.argv[1])
(FOLDER / "removed").mkdir(parents=True, exist_ok=True)
(FOLDER / "events.jsonl").touch()
LOCK = threading.Lock()
COUNT = iter(range(10**9))


def note(argv: object, env: object) -> None:
    line = json.dumps({"argv": [str(os.fsdecode(x)) for x in argv], "env": dict(env or os.environ)})  # type: ignore[attr-defined,call-overload]
    with LOCK, (FOLDER / "events.jsonl").open("a") as stream:
        stream.write(line + "\n")


def keep(name: object, folder: int) -> None:
    path = Path(os.fsdecode(name))  # type: ignore[arg-type]
    if folder >= 0 and not path.is_absolute():
        path = Path(os.readlink(f"/proc/self/fd/{folder}")) / path
    if path.is_file() and not path.is_symlink() and "PG_VERSION" not in path.name:
        if any(part in ("data", "volume", "objects") for part in path.parts):
            return  # a database's own files
        shutil.copyfile(path, FOLDER / "removed" / f"{next(COUNT)}-{path.name[-80:]}")


def hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen":
        note(arguments[1], arguments[3])
    elif event == "os.remove" and str(FOLDER) not in str(arguments[0]):
        keep(arguments[0], arguments[1])  # type: ignore[arg-type]


def named(*arguments: object, **options: object) -> object:
    return tempfile.NamedTemporaryFile(dir=FOLDER / "removed", delete=False)


def markers_as_keys(keys: list[str]) -> None:
    import secrets

    from drbook.demo import objectstore

    class Chosen:
        token_urlsafe = staticmethod(lambda length: keys.pop())
        randbelow = staticmethod(secrets.randbelow)

    objectstore.secrets = Chosen  # type: ignore[assignment]


def defect_in_an_action() -> None:
    from drbook.providers import shell
    from drbook.providers.secrets import resolve

    real = shell.DeclaredProcesses.run

    def run(self, argv, *, declared, secrets=None, timeout=None):  # type: ignore[no-untyped-def]
        if "canary-defect" in argv[2]:
            held = resolve(next(iter(secrets.values())), self._environment).reveal()
            raise RuntimeError(f"cannot use {held!r}") from KeyError(held)
        return (yield from real(self, argv, declared=declared, secrets=secrets, timeout=timeout))

    shell.DeclaredProcesses.run = run  # type: ignore[method-assign]


def defect_on_the_screen(value: str) -> None:
    from drbook.tui.incident import IncidentScreen

    def action_help(self: object) -> None:
        held = value
        raise RuntimeError(f"cannot draw {held!r}")

    for name in dir(IncidentScreen):
        if name == os.environ["CANARY_SCREEN_DEFECT"]:
            setattr(IncidentScreen, name, action_help)


if __name__ == "__main__":
    sys.addaudithook(hook)
    tempfile.TemporaryFile = named  # type: ignore[assignment,misc]
    if "CANARY_KEYS" in os.environ:
        markers_as_keys(json.loads(os.environ.pop("CANARY_KEYS")))
    if "CANARY_DEFECT" in os.environ:
        defect_in_an_action()
    if "CANARY_SCREEN_DEFECT" in os.environ:
        defect_on_the_screen(os.environ[os.environ["CANARY_SCREEN_SECRET"]])
    from drbook.cli.main import main

    sys.exit(main(sys.argv[2:]))
