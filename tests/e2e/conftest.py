"""Whole programs: the command line in a process of its own, against servers started outside it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.pg import drain
from support.shop import Shop

from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import find_tools


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self):  # type: ignore[no-untyped-def]
        return json.loads(self.out)


class Drbook:
    """`drbook` as installed beside this interpreter, with a state directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TMPDIR")
            if name in os.environ
        } | {"DRBOOK_HOME": str(home), "DRBOOK_OPERATOR": "alice"}
        self.program = [sys.executable, "-m", "drbook"]

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self.program, *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, timeout: float = 120, **environment: str) -> Ran:
        with self.start(*arguments, **environment) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            finally:
                process.kill()
        return Ran(process.returncode, out, err)


@pytest.fixture
def drbook(tmp_path: Path) -> Drbook:
    return Drbook(tmp_path / "home")


def yaml_of(lines: Sequence[str], **values: object) -> str:
    """A runbook from lines with `{name}` places; every value is written as JSON, which YAML reads."""
    text = "\n".join(lines) + "\n"
    for name, value in values.items():
        text = text.replace("{" + name + "}", json.dumps(str(value)))
    return text


@pytest.fixture
def shop(s3_server, tmp_path: Path) -> Iterator[Shop]:  # type: ignore[no-untyped-def]
    if server_user() == "nobody":
        tmp_path.chmod(0o711)
    tools = next(one for one in find_tools() if one.origin == "extra")
    server = ClusterServer(tools, tmp_path / "production", name="shop")
    server.make_folder()
    drain(server.create())
    drain(server.start({"fsync": "off"}))
    try:
        made = Shop(server, s3_server, tmp_path)
        made.execute("CREATE DATABASE shop", "postgres")
        made.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, created_at timestamptz NOT NULL);"
            "CREATE TABLE empty_one (id int);"
            "INSERT INTO orders SELECT n, now() - n * interval '1 minute'"
            " FROM generate_series(1, 2000) n"
        )
        yield made
    finally:
        server.stop()
