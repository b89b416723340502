"""Run whole incidents with a unique marker as every secret, and look for the markers everywhere.

    python tests/campaigns/canary.py            # the demo, a runbook of leaks, the screen
    python tests/campaigns/canary.py --short    # without the demo on the screen and the smaller commands

The runbook of leaks uses every way that a secret can enter (`env:`, `file:`, `cmd:`, a DSN, a libpq
service and passfile, an AWS profile, a secret header, a webhook's address, a command's environment) against servers and
commands that repeat what they were given, in every encoding. Looked at are all files, also those that
were removed meanwhile or are open and deleted, all exports, standard output and error, the bytes that
reach a terminal, pictures of the screen, and the argv of every process of the machine. A secret may be
seen where the README lists it, and nowhere else. Exits with 1 on any hit.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg
from support.borg import Repository as BorgRepository
from support.canary import Detector, Ledger, Markers, Watcher, look_at_events, look_at_files
from support.liars import HEADER, HOOK, HttpLiar, PostgresLiar
from support.pg import drain
from support.restic import Repository
from support.terminal import ENTER, ESCAPE, Terminal

from drbook.app.mailbox import Letter, leave
from drbook.demo.objectstore import Identity, ObjectStore
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import find_tools
from drbook.providers.process import complete

PROBE = Path(__file__).parents[1] / "support" / "probe.py"
ROWS = Path(__file__).parents[2] / "README.md"
FORMATS = ("md", "html", "json", "csv")


def listed() -> set[str]:
    """The README's rows of places where a secret may be."""
    text = ROWS.read_text(encoding="utf-8")
    table = text[text.index("### Where secrets go") :].split("\n\n")[2]
    return {line.split("|")[1].strip() for line in table.splitlines()[2:]}


class Campaign:
    """One run: its folders, its markers, and what was seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.markers = Markers()
        self.ledger = Ledger(Detector(self.markers))
        self.core_limits: set[str] = set()
        self.probes = 0
        self._began = time.monotonic()

    def drbook(self, *arguments: str, timeout: float = 240, **environment: str) -> int:
        """`drbook` with an observer inside and one outside; its output is looked at."""
        command, around = self.command(arguments, environment)
        with subprocess.Popen(
            command,
            env=around,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            umask=0,  # drbook's files are private whatever it inherits
        ) as process:
            watcher = Watcher(self.ledger, process.pid)
            out, err = process.communicate(timeout=timeout)
            watcher.end()
        self.core_limits |= watcher.core_limits
        name = " ".join(arguments[:2])
        print(
            f"{time.monotonic() - self._began:6.1f} s  drbook {name}: {process.returncode}",
            file=sys.stderr,
        )
        self.ledger.look("standard output", name, out)
        self.ledger.look("standard error", name, err)
        if b"Traceback" in err + out or process.returncode == 70:
            raise AssertionError(f"drbook {arguments} failed itself:\n{err.decode()[-3000:]}")
        return process.returncode

    def command(
        self, arguments: tuple[str, ...], environment: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        self.probes += 1
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        around = kept | {"TMPDIR": str(self.folder / "tmp"), "HOME": str(self.folder / "home")}
        around |= {
            "DRBOOK_HOME": str(self.folder / "state"),
            "DRBOOK_OPERATOR": "alice",
        } | environment
        probe = self.folder.parent / "probes" / str(self.probes)
        return [sys.executable, str(PROBE), str(probe), *arguments], around

    def export(self, home: Path, incident: str = "") -> None:
        """Every format, looked at as files."""
        out = self.folder / "exports"
        out.mkdir(exist_ok=True)
        for kind in FORMATS:
            name = out / f"{home.name}-{self.probes}.{kind}"
            given = [incident] if incident else []
            self.drbook("timeline", *given, "-o", str(name), DRBOOK_HOME=str(home))

    def finish(self, *allowed: Path) -> None:
        for probe in sorted((self.folder.parent / "probes").iterdir()):
            look_at_events(self.ledger, probe)
        look_at_files(self.ledger, self.folder, allowed)


# --- the demo ------------------------------------------------------------------------------------


def demo(run: Campaign, rows: int) -> list[Path]:
    """The demo's whole incident; its keys are markers. Returns the files that must hold them."""
    keys = [run.markers.new(f"demo key {number}") for number in range(6)]
    code = run.drbook(
        *("demo", "--headless", "--json", "--keep", "--rows", str(rows)),
        CANARY_KEYS=json.dumps(keys),
    )
    if code != 0:
        raise AssertionError(f"the demo ended with {code}")
    (world,) = (run.folder / "tmp").glob("drbook-demo.*")
    run.export(world / "drbook")
    own = world / "object-store" / "identities.json"
    if run.ledger.detector.forms_in(own.read_bytes()) and own.stat().st_mode & 0o777 == 0o600:
        run.ledger.allow("`identities.json` of the demo's S3 server", str(own))
    return [own]


def demo_on_the_screen(run: Campaign, rows: int) -> None:
    keys = [run.markers.new(f"screen key {number}") for number in range(6)]
    arguments = ("demo", "--rows", str(rows))
    with terminal(run, arguments, {"CANARY_KEYS": json.dumps(keys)}) as seat:
        seat.sees("run step 1", seconds=180)
        for step in range(2, 7):
            seat.press(ENTER)
            if step == 3:
                seat.sees("It is done")
                seat.press("1")
            seat.sees(f"go to step {step}", seconds=180)
            for key in "bvt":
                seat.press(key)
                seat.press(ESCAPE)
            seat.press(ENTER)
        run.ledger.look("text of the screen", "demo", seat.text)
        seat.press("q")
        seat.sees("Leave drbook?")
        seat.press("2")
        seat.ends()


# --- a runbook of leaks --------------------------------------------------------------------------

LEAK = r"""
set -x
echo "$SECRET"
set +x
printf '%s' "$SECRET" | base64
printf 'user:%s' "$SECRET" | base64 -w 10
printf '%s' "$SECRET" | od -An -tx1
printf '%s' "$SECRET" | cut -c1-17
printf '%s' "$SECRET" | cut -c18- >&2
first=$(printf '%s' "$SECRET" | cut -c1-17); rest=$(printf '%s' "$SECRET" | cut -c18-)
printf '%s\n' "$first" "$rest"
printf '%s' "$first"; echo warning >&2; printf '%s\n' "$rest"
echo "https://user:$SECRET@example.com/?token=$SECRET" >&2
echo "last: $SECRET" >&2
exit 3
"""
CUT = 'printf %s "$SECRET"; head -c 65520 /dev/zero | tr "\\0" x'


ARN = "arn:aws:rds:us-east-1:111122223333:db:shop"


class Leaks:
    """Everything around the runbook of leaks, and the runbook."""

    def __init__(self, run: Campaign, stack: ExitStack) -> None:
        self.run, self.folder = run, run.folder.parent / "outside"
        self.folder.mkdir()
        if server_user() == "nobody":
            self.folder.chmod(0o711)
        self.http, self.liar = HttpLiar(), PostgresLiar()
        stack.callback(self.http.close)
        stack.callback(self.liar.close)
        new = run.markers.new
        self.password, self.given = new("production's password"), new("target's password")
        self.production = self._cluster("production", self.password, stack)
        self.server = self._cluster("given", self.given, stack)
        owner = Identity(new("access key"), new("secret key"), ("Admin",))
        self.store = ObjectStore(self.folder / "store", {"offsite": owner})
        stack.callback(self.store.stop)
        self.store.start()
        self._fill()
        self._files()
        self.vault = run.markers.new("repository's password")
        if shutil.which("restic"):
            made = Repository(self.folder / "vault", password=self.vault)
            made.pipe((self.folder / "shop.dump").read_bytes(), "shop.dump")
        self.passphrase = run.markers.new("Borg's passphrase")
        if shutil.which("borg"):
            attic = BorgRepository(self.folder / "attic", passphrase=self.passphrase)
            attic.pipe("one", (self.folder / "shop.dump").read_bytes())
        self.remotes = self.folder / "remotes.conf"
        spare = run.markers.new("key of a remote")
        self.remotes.write_text(
            f"[cold]\ntype = alias\nremote = {self.folder / 'cold'}\nsecret_access_key = {spare}\n"
        )
        self.remotes.chmod(0o600)
        (self.folder / "cold").mkdir()
        shutil.copy(self.folder / "shop.dump", self.folder / "cold")
        self.environment = self._environment()
        self.runbook = run.folder / "leaks.yaml"
        self.runbook.write_text(json.dumps(self.document(), indent=1), encoding="utf-8")

    def _cluster(self, name: str, password: str, stack: ExitStack) -> ClusterServer:
        tools = next(one for one in find_tools() if one.has_server)
        server = ClusterServer(tools, self.folder / name, name=name)
        server.make_folder()
        drain(server.create())
        drain(server.start({"fsync": "off"}))
        stack.callback(server.stop)
        with psycopg.connect(**self._as_owner(server), autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
            # Where an archive is restored, a superuser would be refused.
            rights = "SUPERUSER" if name == "production" else "CREATEDB"
            connection.execute(f"CREATE ROLE app {rights} LOGIN PASSWORD '{password}'")
            hba = connection.execute("SHOW hba_file").fetchone()
            assert hba is not None
            Path(hba[0]).write_text("local all postgres trust\nlocal all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        return server

    @staticmethod
    def _as_owner(server: ClusterServer, dbname: str = "postgres") -> dict[str, str]:
        return {"host": str(server.socket), "user": "postgres", "dbname": dbname}

    def _fill(self) -> None:
        with psycopg.connect(
            **self._as_owner(self.production, "shop"), autocommit=True
        ) as connection:
            connection.execute(
                "CREATE TABLE orders (id int PRIMARY KEY, created_at timestamptz NOT NULL);"
                "INSERT INTO orders SELECT n, now() FROM generate_series(1, 500) n"
            )
            dump = self.folder / "shop.dump"
            tools = self.production.tools
            argv = [tools.path("pg_dump"), "-Fc", f"--host={self.production.socket}"]
            argv += ["--username=postgres", "--dbname=shop", f"--file={dump}"]
            done = complete(argv)
            assert done.exit_code == 0, done.stderr
            client = self.store.client()
            client.create_bucket(Bucket="offsite")
            client.upload_file(str(dump), "offsite", "nightly/shop.dump")
            # After the dump: what is secret in production's own tables is production's.
            connection.execute(
                f"CREATE VIEW leaks AS SELECT 'host=x password={self.password}'::text AS conninfo;"
                "CREATE FUNCTION boom() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
                f" 'cannot connect with {self.password}'; END $$"
            )

    def _files(self) -> None:
        new = self.run.markers.new
        self._write("secret", new("file") + "\n")
        helper = self._write("credential-helper", f"#!/bin/sh\necho '{new('helper')}'\n")
        helper.chmod(0o700)
        here = f"host=127.0.0.1\nport={self.liar.port}\ndbname=rental\nsslmode=disable\n"
        self._write(
            "services",
            f"[stored]\n{here}user=app\npassword={new('service file')}\n\n[passfile]\n{here}user=other\n",
        )
        self._write("passfile", f"127.0.0.1:{self.liar.port}:rental:other:{new('passfile')}\n")
        keys = f"aws_access_key_id = {new('profile key')}\naws_secret_access_key = {new('profile secret')}\n"
        self._write(
            "backrest.conf",
            f"[global]\nrepo1-path={self.folder}/stanza\nrepo1-cipher-type=aes-256-cbc\n"
            f"repo1-cipher-pass={new('cipher in a config')}\n[main]\npg1-path=/nowhere\n",
        )
        self._write(
            "barman.conf",
            f"[barman]\nbarman_home = {self.folder}/barman\nlog_file = {self.folder}/barman.log\n"
            f"[main]\nssh_command = ssh -o 'ProxyCommand={new('ssh command')}'\n"
            f"conninfo = host=nowhere.invalid password={new('conninfo')}\nbackup_method = rsync\n",
        )
        for each in ("barman/main", "stanza"):
            (self.folder / each).mkdir(parents=True)
        self._write("credentials", f"[canary]\n{keys}aws_session_token = {new('profile token')}\n")

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def _environment(self) -> dict[str, str]:
        new, owner = self.run.markers.new, self.store.keys("offsite")
        socket = self.production.socket
        wrong = new("broken DSN")
        return {
            "PROD_DSN": f"postgresql://app:{self.password}@/shop?host={socket}",
            "LIAR_DSN": f"postgresql://app:{new('DSN')}@127.0.0.1:{self.liar.port}/rental?sslmode=disable",
            "REFUSED_DSN": f"host=127.0.0.1 port=1 user=app password='{new('refused')}' dbname=rental",
            "BROKEN_DSN": f"postgresql://app:x/{wrong}@{wrong}@host.invalid/rental",
            "GIVEN_PASSWORD": self.given,
            "OFFSITE_KEY_ID": owner[0],
            "OFFSITE_SECRET": owner[1],
            "VAULT_PASSWORD": self.vault,
            "ATTIC_WORD": self.passphrase,
            "STANZA_WORD": new("repository's cipher"),
            "CLOUD_KEY_ID": new("cloud's key"),
            "CLOUD_SECRET": new("cloud's secret"),
            "CLOUD_TOKEN": new("cloud's token"),
            "LIAR_KEY_ID": new("liar's key"),
            "LIAR_SECRET": new("liar's secret"),
            "LIAR_TOKEN": new("liar's token"),
            "TOKEN": new("token"),
            "HOOK": f"http://127.0.0.1:{self.http.port}{HOOK}{new('webhook')}",
            "HOOK_KEY": new("routing key"),
            "HOOK_PLACE": f"http://127.0.0.1:{self.http.port}/headers?sig={new('signature')}",
            "HOOK_TOKEN": new("webhook's token"),
            "HARD": new("hard", hard=True),
            "STEP": new("step"),
            "DEFECT": new("defect"),
            "TYPED": new("typed"),
            "SHORT": "xyzzy",
            "PGSERVICEFILE": str(self.folder / "services"),
            "PGPASSFILE": str(self.folder / "passfile"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "credentials"),
            "CANARY_DEFECT": "1",
        }

    def document(self) -> dict[str, object]:
        """The runbook as JSON, which is YAML."""
        domain = {"provider": "elsewhere", "account": "backups", "credentials": ["writer"]}
        endpoint = f"http://127.0.0.1:{self.http.port}"
        s3 = {"kind": "s3", "region": "us-east-1", "bucket": "offsite", "prefix": "nightly/"}
        named = {"access_key": "env:LIAR_KEY_ID", "secret_key": "env:LIAR_SECRET"}
        named["session_token"] = "env:LIAR_TOKEN"
        return {
            "drbook": 1,
            "title": "Leaks",
            "objectives": {"rpo": "24h", "rto": "4h"},
            "inputs": {"occurred": {"type": "time", "prompt": "When?"}},
            "hosts": [f"127.0.0.1:{self.http.port}"],
            "notify": [
                {"kind": "slack", "url": "env:HOOK", "host": f"127.0.0.1:{self.http.port}"},
                {"kind": "pagerduty", "routing_key": "env:HOOK_KEY"}
                | {"host": f"127.0.0.1:{self.http.port}"},
                {"kind": "http", "url": "env:HOOK_PLACE", "host": f"127.0.0.1:{self.http.port}"}
                | {"secret_headers": {HEADER: "env:HOOK_TOKEN"}},
            ],
            "production": {
                "database": {"dsn": "env:PROD_DSN"},
                "domain": {"provider": "here", "account": "prod", "resource": "vol-1"}
                | {"credentials": ["deploy-token"]},
            },
            "credentials": {
                "writer": {"stored_in": ["backup-host"]},
                "deploy-token": {"stored_in": ["laptops"]},
            },
            "baselines": {"kind": "directory", "path": str(self.run.folder / "baselines")},
            "backups": [
                {
                    "id": "offsite",
                    **s3,
                    "endpoint": self.store.endpoint,
                    "domain": {**domain, "resource": "a"},
                }
                | {"access_key": "env:OFFSITE_KEY_ID", "secret_key": "env:OFFSITE_SECRET"},
                {"id": "liar", **s3, "endpoint": endpoint, "domain": {**domain, "resource": "b"}}
                | named,
                {"id": "profile", **s3, "endpoint": endpoint, "domain": {**domain, "resource": "c"}}
                | {"profile": "canary"},
                {"id": "vault", "kind": "restic", "repository": str(self.folder / "vault")}
                | {"password": "env:VAULT_PASSWORD", "domain": {**domain, "resource": "d"}}
                | {"environment": {"AWS_SECRET_ACCESS_KEY": "env:OFFSITE_SECRET"}},
                {"id": "attic", "kind": "borg", "repository": str(self.folder / "attic")}
                | {"passphrase": "env:ATTIC_WORD", "domain": {**domain, "resource": "e"}},
                {"id": "cold", "kind": "rclone", "remote": "cold:", "config": str(self.remotes)}
                | {"environment": {"RCLONE_CONFIG_PASS": "env:OFFSITE_SECRET"}}
                | {"domain": {**domain, "resource": "f"}},
                *self._others(endpoint, domain),
            ],
            "steps": [{"needs": [], "on_failure": "continue", **step} for step in self._steps()],
        }

    def _others(self, endpoint: str, domain: Mapping[str, object]) -> Iterator[dict[str, object]]:
        """pgBackRest, Barman and AWS, at places that refuse and repeat."""
        stanza = {"kind": "pgbackrest", "stanza": "main"}
        yield {"id": "stanza", **stanza, "repository": str(self.folder / "stanza")} | {
            "cipher_password": "env:STANZA_WORD",
            "domain": {**domain, "resource": "g"},
        }
        yield {"id": "config", **stanza, "config": str(self.folder / "backrest.conf")} | {
            "domain": {**domain, "resource": "h"}
        }
        yield {"id": "barman", "kind": "barman", "server": "main"} | {
            "config": str(self.folder / "barman.conf"),
            "domain": {**domain, "resource": "i"},
        }
        keys = {"access_key": "env:CLOUD_KEY_ID", "secret_key": "env:CLOUD_SECRET"}
        keys |= {"session_token": "env:CLOUD_TOKEN", "endpoint": endpoint}
        yield {"id": "cloud", "kind": "barman-cloud", "server": "main", "bucket": "offsite"} | {
            **keys,
            "domain": {**domain, "resource": "j"},
        }
        for kind, more in (
            ("rds", {"instances": ["shop"]}),
            ("ebs", {"volumes": ["vol-0123456789abcdef0"]}),
            ("aws-backup", {"vault": "kept", "resources": [ARN]}),
        ):
            yield {"id": kind, "kind": kind, "regions": ["us-east-1"], **keys, **more} | {
                "domain": {**domain, "resource": kind}
            }

    def _steps(self) -> Iterator[dict[str, object]]:
        yield {"id": "loss", "phase": "detect", "do": "postgres.probe"}
        yield self._step("locate", "backups.locate", sources=["offsite"])
        yield self._step("liars", "backups.locate", sources=["liar", "profile"], check="quick")
        yield self._step("vault", "backups.locate", sources=["vault", "attic", "cold"])
        others = ["stanza", "config", "barman", "cloud", "rds", "ebs", "aws-backup"]
        yield self._step("others", "backups.locate", sources=others, check="quick")
        server = {"host": str(self.server.socket), "user": "app", "dbname": "postgres"}
        server["password"] = "env:GIVEN_PASSWORD"
        given = {"kind": "database", "server": server}
        point = "${{ steps.locate.point }}"
        yield self._step("restore", "postgres.restore", ["locate"], point=point, target=given)
        target = "${{ steps.restore.target }}"
        yield self._step("verify", "postgres.verify", ["restore"], target=target)
        yield self._step("rows", "sql", sql="SELECT conninfo FROM leaks")
        yield self._step("error", "sql", sql="SELECT boom()")
        liar = {"host": "127.0.0.1", "port": self.liar.port, "user": "app", "dbname": "rental"}
        liar |= {"sslmode": "disable"}
        databases: dict[str, dict[str, object]] = {
            "from_file": {**liar, "password": f"file:{self.folder / 'secret'}"},
            "from_helper": {**liar, "password": f"cmd:{self.folder / 'credential-helper'}"},
            "from_dsn": {"dsn": "env:LIAR_DSN"},
            "refused": {"dsn": "env:REFUSED_DSN"},
            "broken": {"dsn": "env:BROKEN_DSN"},
            "service": {"service": "stored"},
            "passfile": {"service": "passfile"},
        }
        for name, database in databases.items():
            yield self._step(name, "sql", database=database, sql="SELECT 1")
        for secret in ("TOKEN", "STEP"):
            for path in ("forms", "chunks", "cut", "broken", "headers"):
                url = f"http://127.0.0.1:{self.http.port}/{path}"
                headers = {HEADER: f"env:{secret}"}
                name = f"{path}_{secret.lower()}"
                yield self._step(name, "http", url=url, secret_headers=headers)
        for name, shell, secret in (
            ("printed", LEAK, "STEP"),
            ("printed_hard", LEAK, "HARD"),
            ("cut_off", CUT, "STEP"),
            ("short", 'echo "$SECRET"', "SHORT"),
            ("defect", "true canary-defect", "DEFECT"),
            ("quiet", "true", "TYPED"),
        ):
            secrets = {"SECRET": f"env:{secret}"}
            yield self._step(name, "shell", shell=shell, secrets=secrets, changes="nothing")
        yield {"id": "end", "phase": "close", "do": "manual", "with": {"instructions": "Look."}}

    @staticmethod
    def _step(
        id: str, do: str, needs: list[str] | None = None, **arguments: object
    ) -> dict[str, object]:
        return {"id": id, "phase": "verify", "do": do, "needs": needs or [], "with": arguments}


def leaks(run: Campaign, stack: ExitStack, *, short: bool) -> Leaks:
    """Lead the runbook of leaks unattended, then use every command on what it left."""
    made = Leaks(run, stack)
    environment, runbook = made.environment, str(made.runbook)
    for command in (
        ("lint", runbook),
        ("show", runbook),
        ("baseline", "capture", runbook),
        ("baseline", "compare", runbook, "--json"),
        ("backups", runbook, "--json", "--set", "occurred=now"),
        ("backups", runbook, "--set", "occurred=now"),
        ("doctor",),
        ("notify", runbook, "--test"),
        ("rehearse", runbook, "--dry-run", "--headless", "--json", "--set", "occurred=now"),
    ):
        if not short or command[:2] == ("baseline", "capture"):
            run.drbook(*command, **environment)
    code = run.drbook(
        "run", runbook, "--headless", "--json", "--set", "occurred=now", **environment
    )
    if code != 7:
        raise AssertionError(f"the runbook of leaks ended with {code}, and not at its last step")
    if made.liar.asked < 5:
        raise AssertionError("the lying server was not asked")
    told = (incident_of(run) / "journal.jsonl").read_text().count('"event":"NotificationEnded"')
    if told != 3:
        raise AssertionError(f"{told} of three notifications stand on record")
    leave(incident_of(run), Letter("bob", f"the password is {environment['TYPED']}"))
    if not short:
        for command in (("resume", "--headless"), ("incidents", "--json"), ("journal", "verify")):
            run.drbook(*command, **environment)
    return made


def incident_of(run: Campaign) -> Path:
    return sorted((run.folder / "state" / "incidents").iterdir())[-1]


# --- the screen ----------------------------------------------------------------------------------


@contextmanager
def terminal(
    run: Campaign, arguments: tuple[str, ...], environment: dict[str, str]
) -> Iterator[Terminal]:
    """drbook in a pseudo-terminal; every byte that it sends there is looked at."""
    command, around = run.command(arguments, environment | {"TERM": "xterm-256color"})
    seat = Terminal(command, around, run.folder)
    seat.resize(140, 50)
    raw = run.folder.parent / f"terminal-{run.probes}"
    watcher = Watcher(run.ledger, seat.child.pid)
    with raw.open("wb") as stream:
        seat.child.logfile_read = stream
        try:
            yield seat
        finally:
            seat.child.close(force=True)
            watcher.end()
    run.core_limits |= watcher.core_limits
    run.ledger.look("bytes sent to the terminal", " ".join(arguments), raw.read_bytes())


def screen(run: Campaign, made: Leaks) -> None:
    """Every step's page, a step of leaks run again before the eyes, and a defect of the screen."""
    steps = len(json.loads(made.runbook.read_text())["steps"])
    crash = {"CANARY_SCREEN_DEFECT": "action_scroll", "CANARY_SCREEN_SECRET": "STEP"}
    with terminal(run, ("resume",), made.environment | crash) as seat:
        seat.sees("Leaks")
        seat.press("\x1b[A" * steps)
        for at in range(steps):
            seat.child.send("\x1b[B" if at % 7 else "r\x1b[B")
            seat.read(0.15)
        for key in "bvt":
            seat.press(key)
            seat.press(ESCAPE)
        run.ledger.look("text of the screen", "resume", seat.text)
        seat.press("\x1b[6~")  # page down meets the defect
        code = seat.ends()
        if code != 70:
            raise AssertionError(f"the screen's defect ended it with {code}:\n{seat.text}")
    if "cannot draw" not in (run.folder / "state" / "last-error.log").read_text():
        raise AssertionError("the screen's defect left no trace")


def pictures(run: Campaign, made: Leaks) -> None:
    """SVG pictures of every step's page, and a typed secret that is not taken."""
    from drbook.app.model import WriteNote
    from drbook.app.session import resume_incident
    from drbook.core.errors import UsageError
    from drbook.tui.app import IncidentApp

    session = resume_incident(incident_of(run), environment=os.environ | made.environment)

    async def look() -> None:
        app = IncidentApp(session.driver)
        async with app.run_test(size=(140, 50)) as pilot:
            await pilot.pause(0.2)
            for at in range(len(session.driver.snapshot.state.steps)):
                await pilot.press("up")
                run.ledger.look("picture of the screen (SVG)", str(at), app.export_screenshot())

    with session:
        try:
            session.driver.submit(WriteNote(f"it was {made.environment['TYPED']}")).result()
        except UsageError as error:
            if error.code != "secret-typed":
                raise
        else:
            raise AssertionError("a note with a secret in it was recorded")
        asyncio.run(look())


# --- one command ---------------------------------------------------------------------------------


@contextmanager
def workplace(*, keep: bool = False) -> Iterator[Path]:
    """A folder with a short name, as sockets need one, through which `nobody` can pass."""
    folder = Path(tempfile.mkdtemp(prefix="drbook-canary-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        if keep:
            print(f"Kept: {folder}")
        else:
            shutil.rmtree(folder)


def campaign(folder: Path, *, rows: int, short: bool) -> Campaign:
    """All of it; what was seen is in the result's ledger."""
    work = folder / "work"
    for each in (work, work / "tmp", work / "home", folder / "probes"):
        each.mkdir(mode=0o711)
    run = Campaign(work)
    with ExitStack() as stack:
        made = leaks(run, stack, short=short)
        screen(run, made)
        run.export(run.folder / "state")
        pictures(run, made)
        own = demo(run, rows)
        if not short:
            demo_on_the_screen(run, rows)
        run.finish(*own)
    return run


def open_to_others(folder: Path) -> list[str]:
    """Files and folders that drbook made and that others may read or change. Where root's servers run
    as `nobody`, the demo's folder lets them pass through, and shows nothing."""
    found = []
    for root, folders, names in os.walk(folder):
        if root.endswith("object-store/objects"):
            continue  # the demo's S3 server makes its own; nobody else gets into its folder
        for name in (*folders, *names):
            path = Path(root, name)
            mode = path.lstat().st_mode
            passing = server_user() == "nobody" and mode & 0o777 == 0o711
            if mode & 0o077 and not path.is_symlink() and not (passing and path.is_dir()):
                found.append(f"{path} has mode {mode & 0o777:o}")
    return found


def failures(run: Campaign) -> list[str]:
    """Why the run is not clean; empty where it is."""
    found = [f"{hit.channel}: {hit.where} {hit.forms}" for hit in sorted(run.ledger.hits)]
    rows = listed()
    found += [
        f"not listed in the README: {name}" for name in run.ledger.allowed if name not in rows
    ]
    found += open_to_others(run.folder / "state") + open_to_others(run.folder / "exports")
    found += open_to_others(run.folder / "tmp")
    if not run.core_limits <= {"0", "1"}:
        found.append(f"core dumps are possible: {run.core_limits}")
    journal = b"".join(
        path.read_bytes() for path in run.folder.glob("state/incidents/*/journal.jsonl")
    )
    if len(re.findall(rb"\[secret\]", journal)) < 30:
        found.append("the leaks were not provoked: the journal holds too few masks")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--short",
        action="store_true",
        help="without the demo on the screen and the smaller commands",
    )
    parser.add_argument("--rows", type=int, default=20_000, help="size of the demo")
    parser.add_argument("--keep", action="store_true", help="keep the folder, to look into it")
    given = parser.parse_args()
    with workplace(keep=given.keep) as folder:
        run = campaign(folder, rows=given.rows, short=given.short)
        print(run.ledger.table())
        print(f"core file limits seen: {', '.join(sorted(run.core_limits))}")
        bad = failures(run)
    for line in bad:
        print(f"FAILED {line}")
    print(
        f"{len(run.markers.known)} secrets, {len(run.ledger.hits)} hits outside the listed channels"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
