"""A whole incident from a runbook of one's own, against servers started outside drbook: only YAML and
environment variables, and the commands of the README."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from support.shop import Shop, occurred


def test_the_readmes_five_minutes(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    runbook = str(shop.runbook)
    linted = drbook("lint", runbook)
    assert linted.code == 0, linted.err

    # Calm times: a baseline, then a dump and some more business.
    captured = drbook("baseline", "capture", runbook, "--json", **shop.environment)
    assert captured.code == 0, captured.err
    rows = {row["table"]: row["rows"] for row in captured.json()["baseline"]["counts"]["tables"]}
    assert rows == {"public.orders": 2000, "public.empty_one": 0}
    assert drbook("baseline", "show", runbook, **shop.environment).code == 0
    shop.store("shop.dump", shop.dump("-Fc"))
    backups = drbook("backups", runbook, "--json", **shop.environment)
    assert backups.code == 0, backups.err
    assert backups.json()["located"]["judgements"][0]["verdict"] == "independent"
    compared = drbook("baseline", "compare", runbook, **shop.environment)
    assert compared.code == 0, compared.err

    # A rehearsal without any target, then a drill: production stays as it is.
    dry = drbook(
        "rehearse",
        runbook,
        "--dry-run",
        "--headless",
        "--json",
        "--set",
        occurred(),
        **shop.environment,
    )
    assert dry.json()["outcome"] in ("not-exercised", "refused"), dry.err
    assert not list(drbook.home.glob("incidents/*/targets/*"))
    drill = drbook(
        "rehearse", runbook, "--headless", "--json", "--set", occurred(), **shop.environment
    )
    assert drill.code == 0, drill.err
    assert drill.json()["mode"] == "drill"

    # It happens: somebody empties a table.
    shop.execute("DELETE FROM orders WHERE id > 100")
    lost = drbook("baseline", "compare", runbook, **shop.environment)
    assert lost.code == 1
    assert "orders" in lost.out
    live = drbook("run", runbook, "--headless", "--json", "--set", occurred(), **shop.environment)
    assert live.code == 0, live.err
    told = live.json()
    assert (told["outcome"], told["mode"]) == ("pass", "live")
    tables = {row["table"]: row for row in told["tables"]}
    assert tables["public.orders"]["restored"] == 2000
    assert tables["public.orders"]["lost"] == 0

    # Whoever reads it afterwards.
    noted = drbook(
        "note", "support: three customers at the counter", "--incident", told["incident"]
    )
    assert noted.code == 0, noted.err  # notes may follow even after the end
    head = drbook("journal", "verify", told["incident"], "--json").json()["head"]
    for kind, sign in (("md", "# "), ("html", "<!doctype html>"), ("json", "{"), ("csv", "seq,")):
        exported = drbook("timeline", told["incident"], "--format", kind)
        assert exported.code == 0, exported.err
        assert exported.out.lower().lstrip("\ufeff").startswith(sign), exported.out[:100]
        assert head in exported.out
    verified = drbook(
        "journal", "verify", told["journal"]["path"], "--head", told["journal"]["head"]
    )
    assert verified.code == 0, verified.err
    assert told["incident"] in drbook("incidents").out
    for secret in shop.environment.values():
        if secret not in ("admin",):
            assert secret not in Path(told["journal"]["path"]).read_text()


def test_production_is_never_written(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    """The runbook names production itself as the server to restore into."""
    shop.store("shop.dump", shop.dump("-Fc"))
    text = shop.runbook.read_text().replace(
        "target: {kind: cluster}", "target: {kind: database, server: {dsn: env:PROD_DSN}}"
    )
    shop.runbook.write_text(text)
    ran = drbook(
        "run", str(shop.runbook), "--headless", "--json", "--set", occurred(), **shop.environment
    )
    assert ran.code == 4, ran.err
    assert ran.json()["outcome"] == "refused"
    assert "production's own server" in ran.err
    with psycopg.connect(shop.dsn) as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    assert names == {"postgres", "template0", "template1", "shop"}


@pytest.mark.parametrize(
    ("options", "pack"), [(("-Fc",), ""), (("-Ft",), ""), (("-Fp",), ""), (("-Fp",), "gz")]
)
def test_a_manifest_holds_a_copy_to_what_it_says(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, options: tuple[str, ...], pack: str
) -> None:
    import gzip

    data = shop.dump(*options)
    name = (
        "shop.sql.gz"
        if pack
        else {"-Fc": "shop.dump", "-Ft": "shop.tar", "-Fp": "shop.sql"}[options[0]]
    )
    data = gzip.compress(data) if pack else data
    shop.store(name, data)
    counts = drbook("baseline", "capture", str(shop.runbook), "--json", **shop.environment).json()
    manifest = {
        "drbook_manifest": 1,
        "name": name,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "taken_at": (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "counts": counts["baseline"]["counts"],
    }
    manifest["counts"]["tables"][1]["rows"] += int(name == "shop.tar")
    shop.store(f"{name}.manifest.json", json.dumps(manifest).encode())
    ran = drbook(
        "rehearse",
        str(shop.runbook),
        "--headless",
        "--json",
        "--set",
        occurred(),
        **shop.environment,
    )
    if name == "shop.tar":  # its manifest states a row more than it holds
        assert ran.code == 1, ran.err
        assert ran.json()["outcome"] == "fail"
        failed = [row for row in ran.json()["tables"] if row["verdict"] == "fail"]
        assert len(failed) == 1
        assert failed[0]["expected"] == failed[0]["restored"] + 1
    else:
        assert ran.code == 0, ran.err


@pytest.mark.parametrize("name", ["truncated", "empty", "html"])
def test_a_newest_copy_that_is_not_what_it_claims_is_passed_over(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, name: str
) -> None:
    good = shop.dump("-Fc")
    shop.store("shop-20260101T000000Z.dump", good)
    bad = {"truncated": good[: len(good) // 2], "empty": b"", "html": b"<html>504 Gateway</html>"}[
        name
    ]
    shop.store("shop-20260102T000000Z.dump", bad)
    ran = drbook(
        "rehearse",
        str(shop.runbook),
        "--headless",
        "--json",
        "--set",
        occurred(),
        **shop.environment,
    )
    told = ran.json()
    assert told["chosen"]["point"]["id"].endswith("20260101T000000Z.dump"), ran.err
    rejected = told["rejected"][0]
    assert rejected["verdict"] == "damaged"
    assert rejected["reasons"]
