"""`drbook backups` over a directory, a bucket and a store that accepts and never answers: real servers, and
the program in a process of its own."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.s3 import S3Server
from support.tarpit import Tarpit
from support.waiting import eventually

from drbook.core.located import Located

RUNBOOK = """
drbook: 1
title: Production database lost
production:
  domain: {provider: here, account: prod, resource: vol-1, credentials: [token]}
credentials:
  token: {stored_in: [laptops]}
  writer: {stored_in: [backup-host]}
backups:
SOURCES
steps:
  - {id: locate, phase: locate, do: backups.locate}
"""
S3 = """
  - id: ID
    kind: s3
    bucket: BUCKET
    endpoint: ENDPOINT
    access_key: env:KEY
    secret_key: env:SECRET
    timeout: 3s
    domain: {provider: far, account: b, resource: BUCKET, credentials: [writer]}
"""
SHELF = """
  - id: shelf
    kind: directory
    path: SHELF
    domain: {provider: far, account: b, resource: shelf, credentials: [writer]}
"""
DUMP = b"-- PostgreSQL database dump\nSET x = 1;\n-- PostgreSQL database dump complete\n"
HANGING = 5


@pytest.fixture
def tarpit() -> Iterator[Tarpit]:
    made = Tarpit()
    yield made
    made.close()


def test_a_stop_does_not_wait_for_a_store_that_never_answers(  # type: ignore[no-untyped-def]
    drbook, tarpit: Tarpit, tmp_path: Path
) -> None:
    text = S3.replace("ID", "hangs", 1).replace("ENDPOINT", tarpit.endpoint).replace("3s", "1h")
    runbook = tmp_path / "r.yaml"
    runbook.write_text(RUNBOOK.replace("SOURCES", text.replace("BUCKET", "nowhere")))
    process = drbook.start("backups", str(runbook), KEY="a", SECRET="b")
    assert eventually(lambda: len(tarpit.asked) == 1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 3, said
    assert "Stopped by the operator." in said
    assert "Traceback" not in said


def test_stores_that_never_answer_beside_a_directory_and_a_bucket(  # type: ignore[no-untyped-def]
    drbook, tarpit: Tarpit, s3_server: S3Server, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "shop-20260424T0300Z.sql").write_bytes(DUMP)
    bucket = s3_server.bucket()
    s3_server.client().put_object(Bucket=bucket, Key="shop-20260423T0300Z.sql", Body=DUMP)
    hanging = [f"hangs-{number}" for number in range(HANGING)]
    texts = [
        *(S3.replace("ID", one, 1).replace("ENDPOINT", tarpit.endpoint) for one in hanging),
        SHELF.replace("SHELF", str(shelf)),
        S3.replace("ID", "offsite", 1).replace("ENDPOINT", s3_server.endpoint),
    ]
    runbook = tmp_path / "r.yaml"
    runbook.write_text(RUNBOOK.replace("SOURCES", "".join(texts).replace("BUCKET", bucket)))
    key, secret = s3_server.keys()
    begun = time.monotonic()
    ran = drbook("backups", str(runbook), "--json", KEY=key, SECRET=secret)
    took = time.monotonic() - begun
    assert ran.code == 0, ran.err
    located = Located.model_validate(ran.json()["located"])
    assert located.point is not None
    assert located.point.source == "shelf"
    assert [each.point.source for each in located.judgements] == ["shelf", "offsite"]
    assert [each.source for each in located.unreachable] == hanging
    assert {each.why_unreachable for each in located.unreachable} == {
        "it did not answer within 3 s"
    }
    assert len(tarpit.asked) == HANGING  # once each: nothing is tried again behind the deadline
    assert took < HANGING * 3  # all of them one after the other, each at its deadline
    for each in ("shelf: 1 copy", "offsite: 1 copy", "hangs-0: not reachable"):
        assert each in ran.err
