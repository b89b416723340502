"""`drbook audit` against real servers: what a drill proved, and what production's server says of a login."""

from pathlib import Path

import pytest
from support.shop import Shop, occurred

PASSWORD = "p5Wq-8812-no-word"
LOGINS = {
    "admin": ("SUPERUSER", "", "destroys"),
    "writer": ("", "GRANT DELETE ON orders TO writer", "destroys"),
    "owner": ("", "ALTER TABLE empty_one OWNER TO owner", "destroys"),
    "member": ("", "GRANT writer TO member", "destroys"),
    "maker": ("CREATEROLE", "", "unknown"),
    "layer": ("", "GRANT TRIGGER ON orders TO layer", "unknown"),
    "builder": ("", "GRANT CREATE ON SCHEMA public TO builder", "unknown"),
    "reader": ("", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", "cannot"),
}


@pytest.fixture
def audit(drbook, shop: Shop, tmp_path: Path):  # type: ignore[no-untyped-def]
    """The command in a home folder of its own: a test reads nobody's credentials."""
    (tmp_path / "mine").mkdir()

    def run(*more: str, **environment: str):  # type: ignore[no-untyped-def]
        around = shop.environment | {"HOME": str(tmp_path / "mine")} | environment
        ran = drbook("audit", str(shop.runbook), "--json", *more, cwd=tmp_path / "mine", **around)
        assert PASSWORD not in ran.out + ran.err
        return ran.json()

    return run


@pytest.fixture
def logins(shop: Shop) -> Shop:
    for name, (attributes, grant, _) in LOGINS.items():
        shop.execute(f"CREATE ROLE {name} LOGIN {attributes} PASSWORD '{PASSWORD}'; {grant}")
    return shop


def test_what_the_server_says_of_each_login(audit, logins: Shop) -> None:  # type: ignore[no-untyped-def]
    shop = logins
    said = {}
    for name in LOGINS:
        dsn = f"postgresql://{name}:{PASSWORD}@/shop?host={shop.server.socket}"
        told = audit("--quick", "--ask", PROD_DSN=dsn)
        (login,) = (one for one in told["credentials"] if one["found"]["name"] == "PROD_DSN")
        assert login["powers"][0]["might"] == told["asked"]["might"]
        said[name] = told["asked"]["might"]
    assert said == {name: might for name, (_, _, might) in LOGINS.items()}

    shop.execute(
        "CREATE FUNCTION empty() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM orders'"
    )
    dsn = f"postgresql://reader:{PASSWORD}@/shop?host={shop.server.socket}"
    told = audit("--quick", "--ask", PROD_DSN=dsn)
    assert told["asked"]["might"] == "unknown", "a function with its owner's rights may delete"


def test_a_login_that_lies_beside_the_runbooks_own_is_asked_at_productions_server(
    audit, shop: Shop
) -> None:  # type: ignore[no-untyped-def]
    """One that opens another database there is asked about production's own."""
    words = {"keeper": f"{PASSWORD}-1", "looker": f"{PASSWORD}-2"}
    for name, word in words.items():
        shop.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{word}'")
    shop.execute("GRANT TRUNCATE ON orders TO keeper")
    told = audit(
        "--quick",
        "--ask",
        KEEPER_URL=f"postgresql://keeper:{words['keeper']}@/postgres?host={shop.server.socket}",
        LOOKER_URL=f"postgresql://looker:{words['looker']}@/shop?host={shop.server.socket}",
        PROD_DSN=f"{shop.dsn}&password={PASSWORD}",
    )
    found = {one["found"]["name"]: one["powers"][0] for one in told["credentials"]}
    assert found["KEEPER_URL"]["might"] == "destroys"
    assert "can empty tables of the database shop" in found["KEEPER_URL"]["reason"]
    assert found["LOOKER_URL"]["might"] == "cannot", found["LOOKER_URL"]["reason"]
    assert "can read only" in found["LOOKER_URL"]["reason"]


def test_a_server_that_is_not_asked_or_does_not_answer_is_unknown(audit, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    dsn = f"postgresql://reader:{PASSWORD}@/shop?host={shop.folder}/nowhere"
    for more, asked in (((), None), (("--ask",), "unknown")):
        told = audit("--quick", *more, PROD_DSN=dsn)
        assert (told["asked"] or {}).get("might") == asked
        (login,) = (one for one in told["credentials"] if one["found"]["name"] == "PROD_DSN")
        assert login["powers"][0]["might"] == "unknown"


def test_the_key_that_opens_the_backups_is_known_again_and_not_called_harmless(
    audit, shop: Shop, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    """In the environment, where the runbook reads it, and in a profile that has the same key."""
    key, secret = shop.environment["OFFSITE_KEY_ID"], shop.environment["OFFSITE_SECRET"]
    folder = tmp_path / "mine" / ".aws"
    folder.mkdir()
    text = f"[x]\naws_access_key_id={key}\naws_secret_access_key={secret}\n"
    (folder / "credentials").write_text(text)
    told = audit("--quick")
    found = {one["found"]["name"]: one for one in told["credentials"]}
    del found["PROD_DSN"]
    assert set(found) == {"OFFSITE_SECRET", "x"}
    assert len({one["found"]["fingerprint"] for one in found.values()}) == 1
    for one in found.values():
        assert one["powers"][1]["might"] == "unknown"
        assert "the runbook opens it with this" in one["powers"][1]["reason"]
    assert "where deploy-token" not in str(told["unknown"])


def test_what_a_drill_proved(drbook, audit, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    runbook = str(shop.runbook)
    assert drbook("baseline", "capture", runbook, **shop.environment).code == 0
    shop.store("shop.dump", shop.dump("-Fc"))

    def lines() -> dict[str, str]:
        return {line["name"]: line["answer"] for line in audit()["copies"]}

    before = lines()
    assert before["newest proved"] == "fail"
    assert before["baseline"] == "pass"
    drilled = drbook("rehearse", runbook, "--headless", "--set", occurred(), **shop.environment)
    assert drilled.code == 0, drilled.err
    after = lines()
    # It is dated by its storing alone, and so nobody knows that it is within the RPO.
    assert after["newest proved"] == after["newest"] == "unknown"
    assert after["0 errors"] == "pass"
    shop.store("shop.dump", shop.dump("-Fc", "--no-comments"))
    assert lines()["newest proved"] == "fail", "other bytes under that name were not proved"
