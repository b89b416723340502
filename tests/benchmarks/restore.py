"""How long drbook takes, and how much memory, against a person who does the same by hand.

    python tests/benchmarks/restore.py --sizes 64 512

For each size a database is filled, dumped without compression and stored in a bucket. By hand:
download, make a cluster, `pg_restore`, count the rows. With drbook: a whole drill, which also judges
the copies, reads the archive to its end, proves the target and writes the record. Both in one run,
on the same servers; what is printed is their ratio.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.pg import drain
from support.program import Drbook, PeakMemory
from support.s3 import S3Server
from support.shop import Shop, occurred, running_shop

from drbook.providers.pgserver import ClusterServer
from drbook.providers.process import complete

MIB = 1024 * 1024


@dataclass(frozen=True)
class Measured:
    """One size: seconds each way, and drbook's own peak."""

    dump_bytes: int
    by_hand: float
    with_drbook: float
    peak_mebibytes: float


def store_dump(shop: Shop, mebibytes: int) -> int:
    """Fill production, record a baseline, put a dump into the bucket; the dump's size."""
    shop.fill(mebibytes)
    captured = Drbook(shop.folder / "home")(
        "baseline", "capture", str(shop.runbook), **shop.environment
    )
    assert captured.code == 0, captured.err
    path = shop.dump_to(shop.folder / "shop.dump", "-Fc", "-Z0")
    shop.store_file("shop.dump", path)
    size = path.stat().st_size
    path.unlink()
    return size


def with_drbook(shop: Shop, home: Path) -> tuple[float, float, str]:
    """Seconds, peak in MiB, and standard error of a whole drill."""
    begun = time.monotonic()
    process = Drbook(home).start(
        *("rehearse", str(shop.runbook), "--headless", "--json", "--set", occurred()),
        **shop.environment,
    )
    peak = PeakMemory(process.pid)
    out, err = process.communicate(timeout=3600)
    assert process.returncode == 0, err
    assert json.loads(out)["outcome"] == "pass"
    return time.monotonic() - begun, peak.end(), err


def by_hand(shop: Shop, folder: Path) -> float:
    """Seconds from the download's first byte to the last count."""
    begun = time.monotonic()
    dump = folder / "by-hand.dump"
    shop.s3.client().download_file(shop.bucket, "nightly/shop.dump", str(dump))
    server = ClusterServer(shop.server.tools, folder / "by-hand", name="by-hand")
    server.make_folder()
    drain(server.create())
    drain(server.start())
    try:
        ref = server.ref("postgres")
        argv = [server.tools.path("pg_restore"), "--exit-on-error", "--create"]
        argv += [f"--host={server.socket}", "--username=postgres", "--dbname=postgres", str(dump)]
        done = complete(argv, timeout=timedelta(hours=1))
        assert done.exit_code == 0, done.stderr
        with psycopg.connect(host=ref.host, user=ref.user, dbname="shop") as connection:
            tables = connection.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            for (table,) in tables:
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    finally:
        server.stop()
    return time.monotonic() - begun


def measure(s3: S3Server, mebibytes: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="drbook-bench-") as name:
        folder = Path(name)
        with running_shop(s3, folder) as shop:
            size = store_dump(shop, mebibytes)
            hand = by_hand(shop, folder)
            ours, peak, _ = with_drbook(shop, folder / "home")
        return Measured(size, hand, ours, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 512], metavar="MIB")
    sizes = parser.parse_args().sizes
    with tempfile.TemporaryDirectory(prefix="drbook-bench-") as name:
        s3 = S3Server(Path(name) / "store")
        s3.start()
        try:
            print("     dump    by hand     drbook   ratio   drbook's peak memory", flush=True)
            for size in sizes:
                one = measure(s3, size)
                print(
                    f"{one.dump_bytes / MIB:5.0f} MiB {one.by_hand:8.1f} s {one.with_drbook:8.1f} s "
                    f"{one.with_drbook / one.by_hand:6.2f}×   {one.peak_mebibytes:6.1f} MiB",
                    flush=True,
                )
        finally:
            s3.stop()


if __name__ == "__main__":
    main()
