"""An S3 endpoint on loopback with as many objects as a test wants, and an account of what was asked.

It answers what drbook asks of a bucket, in the shape in which a real server does; a test holds the two
against each other. Nothing is stored: a key is listed with made-up figures.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BODY = b"PGDMP\x01\x10" + bytes(range(256))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PAGE = 1000
_XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass
class BigBucket:
    """The objects, and the requests that came."""

    keys: Sequence[str]
    """In any order."""
    hidden: frozenset[str] = frozenset()
    """Keys under a delete marker."""
    versions_denied: bool = False
    requests: Counter[str] = field(default_factory=Counter)
    endpoint: str = ""
    now: datetime = NOW
    """The objects were stored in the year before."""

    def __post_init__(self) -> None:
        self.keys = sorted(self.keys)

    def page(self, asked: dict[str, str]) -> tuple[list[str], list[str], str]:
        """Keys and common prefixes of one page, and where the next one begins (empty: nowhere)."""
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after = asked.get("key-marker") or asked.get("continuation-token") or ""
        at = bisect_left(self.keys, prefix)
        if after:
            at = max(at, bisect_right(self.keys, after))
        keys: list[str] = []
        folders: list[str] = []
        while at < len(self.keys) and self.keys[at].startswith(prefix):
            key = self.keys[at]
            if len(keys) + len(folders) == int(asked.get("max-keys", PAGE)):
                return keys, folders, self.keys[at - 1]
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                keys.append(key)
                at += 1
            else:
                folders.append(key[: end + 1])
                at = bisect_left(self.keys, folders[-1] + "\U0010ffff")
        return keys, folders, ""

    def stored_at(self, key: str) -> datetime:
        return self.now - timedelta(days=400) + timedelta(seconds=bisect_left(self.keys, key))


def versions_xml(bucket: BigBucket, asked: dict[str, str]) -> str:
    keys, folders, more = bucket.page(asked)
    encoded = asked.get("encoding-type") == "url"
    entries: list[str] = []
    for key in keys:
        at = f"{bucket.stored_at(key):%Y-%m-%dT%H:%M:%S}.000Z"
        name = quote(key) if encoded else escape(key)
        latest = "true"
        if key in bucket.hidden:
            latest = "false"
            entries.append(
                f"<DeleteMarker><Key>{name}</Key><VersionId>d0</VersionId><IsLatest>true</IsLatest>"
                f"<LastModified>{at}</LastModified></DeleteMarker>"
            )
        entries.append(
            f"<Version><Key>{name}</Key><VersionId>v0</VersionId><IsLatest>{latest}</IsLatest>"
            f"<LastModified>{at}</LastModified><ETag>&#34;0&#34;</ETag><Size>{len(BODY)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Version>"
        )
    marker = f"<NextKeyMarker>{quote(more) if encoded else escape(more)}</NextKeyMarker>"
    return (
        f"<ListVersionsResult {_XMLNS}><Name>backups</Name>"
        f"<Prefix>{quote(asked.get('prefix', ''))}</Prefix><MaxKeys>{PAGE}</MaxKeys>"
        + ("<EncodingType>url</EncodingType>" if encoded else "")
        + f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        + (marker + "<NextVersionIdMarker>v0</NextVersionIdMarker>" if more else "")
        + "".join(entries)
        + _folders(folders, encoded)
        + "</ListVersionsResult>"
    )


def current_xml(bucket: BigBucket, asked: dict[str, str]) -> str:
    keys, folders, more = bucket.page(asked)
    encoded = asked.get("encoding-type") == "url"
    entries = [
        f"<Contents><Key>{quote(key) if encoded else escape(key)}</Key>"
        f"<LastModified>{bucket.stored_at(key):%Y-%m-%dT%H:%M:%S}.000Z</LastModified>"
        f"<ETag>&#34;0&#34;</ETag><Size>{len(BODY)}</Size></Contents>"
        for key in keys
        if key not in bucket.hidden
    ]
    token = f"<NextContinuationToken>{escape(more)}</NextContinuationToken>" if more else ""
    return (
        f"<ListBucketResult {_XMLNS}><Name>backups</Name><MaxKeys>{PAGE}</MaxKeys>"
        f"<KeyCount>{len(entries)}</KeyCount>"
        + ("<EncodingType>url</EncodingType>" if encoded else "")
        + f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}"
        + "".join(entries)
        + _folders(folders, encoded)
        + "</ListBucketResult>"
    )


def _folders(folders: Sequence[str], encoded: bool) -> str:
    return "".join(
        f"<CommonPrefixes><Prefix>{quote(each) if encoded else escape(each)}</Prefix></CommonPrefixes>"
        for each in folders
    )


def _refusal(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>"


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def running_bucket(
    keys: Sequence[str],
    hidden: frozenset[str] = frozenset(),
    *,
    versions_denied: bool = False,
    now: datetime = NOW,
) -> Iterator[BigBucket]:
    made = BigBucket(keys, hidden, versions_denied, now=now)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: value[0] for name, value in parse_qs(parts.query, True).items()}
            key = unquote(parts.path).partition("/backups")[2].removeprefix("/")
            if key and key not in made.hidden and not asked.keys() & {"retention", "legal-hold"}:
                made.requests["GetObject"] += 1
                self._say(206 if "Range" in self.headers else 200, BODY, key)
            elif "versions" in asked and not made.versions_denied:
                made.requests["ListObjectVersions"] += 1
                self._say(200, versions_xml(made, asked).encode())
            elif "list-type" in asked:
                made.requests["ListObjectsV2"] += 1
                self._say(200, current_xml(made, asked).encode())
            elif "versioning" in asked:
                made.requests["GetBucketVersioning"] += 1
                self._say(200, f"<VersioningConfiguration {_XMLNS}/>".encode())
            else:
                made.requests["refused"] += 1
                denied = "versions" in asked
                code, status = ("AccessDenied", 403) if denied else ("NotImplemented", 501)
                self._say(status, _refusal(code).encode())

        def do_HEAD(self) -> None:
            made.requests["HeadObject"] += 1
            key = unquote(urlsplit(self.path).path).partition("/backups/")[2]
            self._say(200, BODY, key)

        def _say(self, status: int, body: bytes, key: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            if key is not None:
                self.send_header("ETag", '"0"')
                at = made.stored_at(key)
                self.send_header("Last-Modified", f"{at:%a, %d %b %Y %H:%M:%S} GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    made.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- what lies in it ---------------------------------------------------------------------------


def nightly(count: int, days: int = 365, now: datetime = NOW) -> list[str]:
    """Dumps of many databases, the same number on each of so many days up to now."""
    each = -(-count // days)
    names = [
        f"nightly/{now - timedelta(days=day):%Y/%m/%d}/shop{number:03}.dump"
        for day in range(days)
        for number in range(each)
    ]
    return names[:count]


def rubbish(count: int) -> list[str]:
    """Objects that are no dumps."""
    return [f"tmp/part-{number % 100:02}/{number:06}.log" for number in range(count)]
