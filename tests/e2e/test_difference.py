"""Rows that are lost have a place: in the verification, and against production as it is now."""

import re

import pytest
from support.shop import Shop, occurred

STEP = """
  - id: difference
    phase: verify
    do: postgres.difference
    with:
      target: "${{ steps.restore.target }}"
      sample: 2
      show: {public.orders: [id, customer]}
"""


@pytest.fixture
def orders(shop: Shop) -> None:
    text = shop.runbook.read_text()
    shop.runbook.write_text(text.replace("baseline: before_incident}", "baseline: newest}") + STEP)
    shop.execute("ALTER TABLE orders ADD customer text; UPDATE orders SET customer = 'c' || id")


@pytest.mark.usefixtures("orders")
def test_a_bad_delete_is_told_row_by_row(drbook, shop: Shop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    shop.store("shop.dump", shop.dump("-Fc"))
    shop.execute(
        "INSERT INTO orders SELECT n, now(), 'late' FROM generate_series(2001, 2100) n; ANALYZE"
    )
    captured = drbook("baseline", "capture", str(shop.runbook), "--content", **shop.environment)
    assert captured.code == 0, captured.err
    shop.execute("DELETE FROM orders WHERE id BETWEEN 500 AND 700")
    ran = drbook(
        *("rehearse", str(shop.runbook), "--headless", "--json", "--set", occurred()),
        **shop.environment,
    )
    tables = {row["table"]: row for row in ran.json()["tables"]}
    assert tables["public.orders"]["lost"] == 100
    (where,) = tables["public.orders"]["lost_where"]
    assert re.fullmatch(r"id 19\d\d to 21\d\d: 100 rows fewer, of .{10}( to .{10})?", where)
    assert "difference: SUCCEEDED" in ran.err
    assert "201 rows missing, 100 rows extra" in ran.err
    for form in ("md", "html"):
        out = tmp_path / f"told.{form}"
        told = drbook("timeline", ran.json()["incident"], "-o", str(out))
        assert told.code == 0, told.err
        text = out.read_text().replace("\\", "")
        assert where in text
        assert "id 500, customer c500" in text
        assert "id 502" not in text  # no more rows than the runbook asked for
        assert "201 rows missing" in text
