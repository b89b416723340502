"""Wheels of drbook and of all it needs, for this Python and platform, so that it installs without a network.

pip gets them, in the versions that run here, from where this user's pip is told to. Afterwards pip is
asked, without an index, whether they suffice.
"""

import json
import os
import re
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from urllib.parse import unquote, urlsplit

from drbook import __version__
from drbook.core.errors import StepFailed
from drbook.core.values import plain
from drbook.providers.hiding import scrub
from drbook.providers.process import complete

_PASSED = re.compile(r"(?:PIP_\w+|\w*_proxy|\w*_PROXY|SSL_CERT_(?:FILE|DIR)|REQUESTS_CA_BUNDLE)\Z")
"""Variables by which pip knows its index and the way to it."""
TIMEOUT = timedelta(minutes=10)
_WHEEL = re.compile(r"[A-Za-z0-9_.+!-]+\.whl\Z")


def platform() -> str:
    """`CPython 3.11 on linux-x86_64`: what the wheels are for."""
    name = sys.implementation.name.replace("cpython", "CPython")
    return f"{name} {sys.version_info[0]}.{sys.version_info[1]} on {sysconfig.get_platform()}"


def gathered(folder: Path, environment: Mapping[str, str]) -> list[Path]:
    """Fill this empty folder. Raises StepFailed, which says why, where they are not all to be had."""
    pins = folder.parent / "versions.txt"
    pins.write_text("".join(f"{each}\n" for each in versions()), encoding="utf-8")
    _pip(
        ["wheel", "--no-input", "--wheel-dir", str(folder), "--constraint", str(pins), origin()],
        environment,
    )
    return taken(folder, environment)


def taken(folder: Path, environment: Mapping[str, str]) -> list[Path]:
    """The wheels in a folder, in order. Raises StepFailed where one is damaged, or where they do not
    suffice to install this drbook here."""
    found = sorted(path for path in folder.iterdir() if _WHEEL.match(path.name) and path.is_file())
    for path in found:
        _must_be_whole(path)
    wanted = f"drbook-{__version__}-"
    if not any(path.name.startswith(wanted) for path in found):
        raise _lacking(f"{plain(str(folder), 200)} holds no {wanted}….whl")
    suffices(folder, environment)
    return found


def suffices(folder: Path, environment: Mapping[str, str]) -> None:
    """Raises StepFailed where pip, with these wheels and no index, could not install drbook."""
    arguments = ["install", "--dry-run", "--ignore-installed", "--no-index", "--no-input"]
    alone = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
    alone |= {"PIP_CONFIG_FILE": os.devnull}
    _pip([*arguments, "--find-links", str(folder), f"drbook=={__version__}"], alone)


def versions() -> list[str]:
    """`name==version` of everything that drbook needs and has here, by name."""
    found: dict[str, str] = {}
    waiting = ["drbook"]
    while waiting:
        try:
            one = distribution(waiting.pop())
        except PackageNotFoundError:
            continue  # needed on another platform, or with an extra
        name = _canonical(one.metadata["Name"])
        if name not in found:
            found[name] = one.version
            waiting += [match[0] for each in one.requires or () if (match := _NAME.match(each))]
    return sorted(f"{name}=={version}" for name, version in found.items() if name != "drbook")


def plug_ins() -> list[str]:
    """Packages that add something to drbook here, by name; their wheels are not gathered."""
    groups = [each for each in entry_points().groups if each.startswith("drbook.")]
    found = (one.dist for group in groups for one in entry_points(group=group))
    return sorted({one.name for one in found if one is not None and one.name != "drbook"})


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?=[^;]*(?:;(?!.*\bextra\b).*)?\Z)")
"""The name of a requirement that needs no extra (PEP 508)."""


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def origin() -> str:
    """What pip makes drbook's own wheel of: the folder that it was installed from, else its version from
    the index."""
    return _folder_of(distribution("drbook")) or f"drbook=={__version__}"


def _folder_of(installed: Distribution) -> str:
    """By `direct_url.json` (PEP 610); empty where it came from an index."""
    try:
        url = json.loads(installed.read_text("direct_url.json") or "{}").get("url", "")
    except (ValueError, AttributeError):
        return ""
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    here = parts.scheme == "file" and (folder / "pyproject.toml").is_file()
    return str(folder) if here else ""


def _must_be_whole(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as wheel:
            bad = wheel.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        bad = str(error)
    if bad is not None:
        raise _lacking(f"{plain(path.name, 200)} is damaged: {plain(bad, 200)}")


def _pip(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    passed = {name: value for name, value in environment.items() if _PASSED.match(name)}
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = complete(argv, env=passed, timeout=TIMEOUT)
    if done.exit_code != 0:
        raise _lacking(_said(done.stderr) or f"pip ended with exit code {done.exit_code}")


def _said(text: str) -> str:
    """pip's own last errors: those that say why come last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return plain(scrub("; ".join(errors[-2:])), 400)


def _lacking(why: str) -> StepFailed:
    return StepFailed(
        f"The wheels are not to be had: {why}.",
        means="The go-bag installs nothing by itself; everything else is in it.",
        next="Pack where pip reaches an index or has all in its cache, or give prepared ones: "
        "`pip wheel -w DIR drbook`, then `drbook pack --wheels DIR`.",
        code="pack-wheels",
    )
