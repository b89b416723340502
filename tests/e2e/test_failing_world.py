"""A world that fails under drbook's hands: each failure a clear message, the right exit code, and
nothing lost."""

import json
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import psycopg
import pytest
from support.pg import drain
from support.shop import Shop, occurred

PASSWORD = "right-horse-4711"
SLOW = """
CREATE FUNCTION slow(n int) RETURNS bool LANGUAGE sql AS $$
  SELECT CASE WHEN current_setting('cluster_name') = 'shop' THEN true
              ELSE pg_sleep(120) IS NOT NULL END $$;
CREATE TABLE slow_one (id int CHECK (slow(id)));
INSERT INTO slow_one VALUES (1);
"""
"""A table that production fills at once and a restore only after two minutes."""


def soon(what: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until it is so; fail where it never is."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


# --- the bucket ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "environment", "code", "said"),
    [
        (("", ""), {"OFFSITE_SECRET": "not-it"}, 5, "the secret key is wrong"),
        (("", ""), {"OFFSITE_KEY_ID": "nobody"}, 5, "the access key does not exist there"),
        (("BUCKET", "no-such-bucket-here"), {}, 5, "there is no such bucket"),
        (
            ("ENDPOINT", "http://127.0.0.1:9"),
            {},
            5,
            "http://127.0.0.1:9 does not answer (Connection refused)",
        ),
        (("env:OFFSITE_SECRET", "env:NOT_SET_ANYWHERE"), {}, 5, "NOT_SET_ANYWHERE"),
        (("BUCKET", "EMPTY"), {}, 1, "no copies"),
    ],
)
def test_a_bucket_that_cannot_be_read_is_said_and_never_empty(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, text: tuple[str, str], environment: dict[str, str], code: int, said: str
) -> None:
    shop.store("shop.dump", b"whatever it holds, it is not asked for")
    places = {"BUCKET": shop.bucket, "ENDPOINT": shop.s3.endpoint}
    wanted = shop.s3.bucket("empty") if text[1] == "EMPTY" else text[1]
    runbook = shop.runbook.read_text().replace(places.get(text[0], text[0]) or "\0", wanted)
    shop.runbook.write_text(runbook)
    ran = drbook("backups", str(shop.runbook), **(shop.environment | environment))
    assert ran.code == code, ran.err
    assert said in ran.err
    assert ("no copies" in ran.err) == (said == "no copies")
    assert "Traceback" not in ran.err
    assert "-secret" not in ran.out + ran.err


EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredToken</Code><Message>The provided '
    b"token has expired.</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
)
"""What AWS answers to temporary credentials that have run out."""


class _Answer(BaseHTTPRequestHandler):
    """The same answer to everything."""

    status = 400
    body = EXPIRED
    headers_sent: tuple[tuple[str, str], ...] = (("Content-Type", "application/xml"),)

    def do_GET(self) -> None:
        body = self.body
        self.send_response(self.status)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def answering(handler: type[_Answer] = _Answer) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_expired_credentials_are_said_as_such(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    with answering() as endpoint:
        text = shop.runbook.read_text().replace(shop.s3.endpoint, endpoint)
        shop.runbook.write_text(text)
        ran = drbook("backups", str(shop.runbook), **shop.environment)
        led = drbook(
            *("run", str(shop.runbook), "--headless", "--json", "--set", occurred()),
            **shop.environment,
        )
    assert ran.code == 5, ran.err
    assert "the credentials have expired" in ran.err
    assert led.code == 5, led.err
    assert "the credentials have expired" in led.err
    assert led.json()["outcome"] == "could-not-verify"
    assert led.json()["chosen"] is None


class _Page(_Answer):
    status = 200
    body = b"<html><body>Please sign in</body></html>"
    headers_sent = (("Content-Type", "text/html"),)


class _Nothing(_Answer):
    status = 200
    body = b""


class _Redirect(_Answer):
    status = 302
    body = b""
    headers_sent = (("Location", "/again"),)


class _Broken(_Answer):
    status = 500
    body = b"<html>502 Bad Gateway</html>"


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (_Page, "no S3 list"),
        (_Nothing, "no S3 list"),
        (_Redirect, "redirect"),
        (_Broken, "500"),
    ],
)
def test_what_is_no_s3_is_never_an_empty_bucket(drbook, shop: Shop, handler, said: str) -> None:  # type: ignore[no-untyped-def]
    with answering(handler) as endpoint:
        shop.runbook.write_text(shop.runbook.read_text().replace(shop.s3.endpoint, endpoint))
        ran = drbook("backups", str(shop.runbook), **shop.environment)
    assert ran.code == 5, ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert "defect" not in ran.err


def test_an_empty_bucket_says_where_it_looked(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    ran = drbook("backups", str(shop.runbook), **shop.environment)
    assert ran.code == 1, ran.err
    assert "there is nothing" in ran.err
    assert "bucket, path and prefix" in ran.err


def test_what_failed_is_run_again_by_an_unattended_resume(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    """The store was away; it is back, and nobody has to sit at a screen."""
    runbook = shop.runbook.read_text()
    assert drbook("baseline", "capture", str(shop.runbook), **shop.environment).code == 0
    shop.store("shop.dump", shop.dump("-Fc"))
    time.sleep(1.1)
    environment = shop.environment | {"OFFSITE_SECRET": "not-yet"}
    failed = drbook(
        *("run", str(shop.runbook), "--headless", "--json", "--set", "occurred=now"), **environment
    )
    assert failed.code == 5, failed.err
    resumed = drbook("resume", "--headless", "--json", **shop.environment)
    assert resumed.code == 0, resumed.err
    assert resumed.json()["incident"] == failed.json()["incident"]
    assert resumed.json()["outcome"] == "pass"
    assert runbook == shop.runbook.read_text()


def test_baselines_of_two_databases_are_not_mixed_up(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    """Another database's figures in the same place must neither pass nor fail this one."""
    shop.execute("CREATE DATABASE ledger", "postgres")
    shop.store("shop.dump", shop.dump("-Fc"))
    capture = ("baseline", "capture", str(shop.runbook))
    assert drbook(*capture, **shop.environment).code == 0
    other = shop.environment | {"PROD_DSN": shop.dsn.replace("/shop?", "/ledger?")}
    shop.execute("CREATE TABLE entries (id int)", "ledger")
    assert drbook(*capture, **other).code == 0
    time.sleep(1.1)
    ran = drbook(
        *("run", str(shop.runbook), "--headless", "--json", "--set", "occurred=now"),
        **shop.environment,
    )
    assert ran.code == 0, ran.err  # the archive itself says how many rows had to come back
    assert "baselines of databases ledger, shop" in ran.err
    assert "what users have lost is unknown" in ran.err
    assert {(row["before"], row["lost"]) for row in ran.json()["tables"]} == {(None, None)}


def test_a_disk_that_fills_while_downloading_keeps_what_arrived(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    """A file size limit stands in for a full disk."""
    shop.execute("INSERT INTO orders SELECT n, now() FROM generate_series(3000, 900000) n")
    shop.store("shop.dump", shop.dump("-Fc", "-Z0"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 1024 * 1024, before[1]))
    try:
        arguments = ("rehearse", str(shop.runbook), "--headless", "--json", "--set", occurred())
        ran = drbook(*arguments, **shop.environment)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ran.code == 1, ran.err
    assert "What arrived is kept" in ran.err
    assert "Traceback" not in ran.err
    parts = list(drbook.home.glob("incidents/*/copies/*.part"))
    assert len(parts) == 1
    assert parts[0].stat().st_size >= 1024 * 1024


# --- the server ----------------------------------------------------------------------------------


def test_a_database_that_is_not_there(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    environment = shop.environment | {"PROD_DSN": shop.dsn + "&dbname=absent"}
    ran = drbook("baseline", "capture", str(shop.runbook), **environment)
    assert ran.code == 5
    assert "does not exist" in ran.err


def test_a_wrong_password_is_said_and_shown_nowhere(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    shop.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_data TO guest")
    rules = shop.server.data / "pg_hba.conf"
    rules.write_text(f"local all guest scram-sha-256\n{rules.read_text()}")
    shop.execute("SELECT pg_reload_conf()")
    dsn = shop.dsn.replace("user=postgres", "user=guest")
    passwords = shop.folder / "pgpass"
    passwords.touch(mode=0o600)

    def capture(password: str):  # type: ignore[no-untyped-def]
        passwords.write_text(f"*:*:shop:guest:{password}\n")
        environment = shop.environment | {"PROD_DSN": dsn, "PGPASSFILE": str(passwords)}
        return drbook("baseline", "capture", str(shop.runbook), **environment)

    wrong = capture("wrong-horse-0815")
    assert wrong.code == 5, wrong.err
    assert "password authentication failed" in wrong.err
    assert ".pgpass" in wrong.err  # what to look at
    assert "wrong-horse" not in wrong.out + wrong.err
    assert not list((shop.folder / "baselines").glob("*"))
    passwords.write_text("*:*:shop:guest:wrong-horse-0815\n")
    environment = shop.environment | {"PROD_DSN": dsn, "PGPASSFILE": str(passwords)}
    led = drbook(
        *("run", str(shop.runbook), "--headless", "--json", "--set", "occurred=now"), **environment
    )
    assert led.code == 5, led.err
    assert "loss: COULD-NOT-VERIFY" in led.err
    right = capture(PASSWORD)
    assert right.code == 0, right.err
    assert PASSWORD not in right.out + right.err


def kill_server(folder: Path) -> None:
    """As the kernel does when memory runs out: no shutdown, no word."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = process.info["cmdline"] or []
        if line and line[0].endswith("/postgres") and str(folder) in line:
            children = process.children(recursive=True)
            for one in (process, *children):
                with suppress(psutil.NoSuchProcess):  # children end by themselves without the first
                    one.send_signal(signal.SIGKILL)
            return
    raise AssertionError(f"no server runs in {folder}")


def test_a_server_that_goes_away_during_a_count(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    locking, seeing = psycopg.connect(shop.dsn), psycopg.connect(shop.dsn, autocommit=True)
    with closing(locking), closing(seeing):
        locking.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        process = drbook.start("baseline", "capture", str(shop.runbook), **shop.environment)
        waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'drbook'"
        waiting += " AND wait_event_type = 'Lock'"
        soon(lambda: seeing.execute(waiting).fetchone() is not None)
        kill_server(shop.server.data)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert "The server went away while it" in err
    assert "not a result" in err
    assert "Traceback" not in err
    assert not list((shop.folder / "baselines").glob("*"))
    drain(_again(shop))
    assert drbook("baseline", "capture", str(shop.runbook), **shop.environment).code == 0


def _again(shop: Shop):  # type: ignore[no-untyped-def]
    shop.server.stop()
    return shop.server.start({"fsync": "off"})


def test_a_server_that_goes_away_during_a_restore(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    shop.execute(SLOW)
    shop.store("shop.dump", shop.dump("-Fc"))
    arguments = ("run", str(shop.runbook), "--headless", "--json", "--set", occurred())
    process = drbook.start(*arguments, **shop.environment)

    def loading() -> bool:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1])
        return any(
            "COPY" in " ".join(one.info["cmdline"] or ())
            and Path(one.info["cwd"] or "/").is_relative_to(drbook.home)
            for one in psutil.process_iter(["cmdline", "cwd"])
        )

    soon(loading)
    (data,) = drbook.home.glob("incidents/*/targets/*/data")
    kill_server(data)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 1, err
    assert "closed the connection unexpectedly" in err or "went away" in err
    assert "Traceback" not in err
    (journal,) = drbook.home.glob("incidents/*/journal.jsonl")
    told = json.loads(out)
    assert told["outcome"] == "fail"
    verified = drbook("journal", "verify", str(journal), "--head", told["journal"]["head"])
    assert verified.code == 0, verified.err
    # It may be gone on with: what failed is on record, and nothing that was chosen is lost.
    left = drbook("incidents", "--json").json()
    assert [one["outcome"] for one in left] == ["open"]
    assert told["chosen"]["point"]["id"] == "nightly/shop.dump"
