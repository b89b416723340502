"""The narrow exception of the guard around S3: one object of drbook's own, made to try a lock on.

Bound to one bucket, one key with a nonce in it, and the versions that this session itself created. Whatever
else is deleted, changed or overwritten is refused as everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

DELETE, RETAIN, PUT = "DeleteObject", "PutObjectRetention", "PutObject"
OWN = frozenset({DELETE, RETAIN})
"""Operations that are possible on such an object, and on nothing else."""
_FIELDS: Mapping[str, frozenset[str]] = {
    DELETE: frozenset(
        {"Bucket", "Key", "VersionId", "BypassGovernanceRetention", "ExpectedBucketOwner"}
    ),
    RETAIN: frozenset(
        {"Bucket", "Key", "VersionId", "Retention", "ExpectedBucketOwner", "ChecksumAlgorithm"}
    ),
}


@dataclass(slots=True)
class OwnObject:
    """The one object. `until` is its own end: no attempt may lock it for longer."""

    bucket: str
    key: str
    until: datetime
    versions: set[str | None] = field(default_factory=set)
    """Versions that this session created; None stands for the one of a store without versions."""

    def why_not(self, operation: str, params: Mapping[str, Any]) -> str:
        """Why a call is not one on this object, in words; empty where it is."""
        if params.get("Bucket") != self.bucket or params.get("Key") != self.key:
            return "on what is not its own"
        version = params.get("VersionId")
        if not self.versions or (version is not None and version not in self.versions):
            return "on a version that it did not create"
        if others := params.keys() - _FIELDS[operation]:
            return f"with {', '.join(sorted(others))}"
        if operation == RETAIN:
            if version is None and None not in self.versions:
                return "on no version of its own"
            asked = params.get("Retention", {})
            until = asked.get("RetainUntilDate")
            if not isinstance(until, datetime) or until > self.until:
                return "that would lock it for longer"
            if asked.keys() - {"Mode", "RetainUntilDate"}:
                return "that changes more than its end"
        return ""

    def overwrites(self, params: Mapping[str, Any]) -> bool:
        """Whether a put writes over this very object, after it was created."""
        here = params.get("Bucket") == self.bucket and params.get("Key") == self.key
        return here and bool(self.versions)

    def why_not_sent(self, request: Any, operation: str, endpoint: str | None) -> str:
        """Why what goes over the wire is no such call; empty where it is."""
        if request.method != ("DELETE" if operation == DELETE else "PUT"):
            return f"that is sent as {request.method}"
        if self.path_of(request.url, endpoint) != self.key:
            return "that goes elsewhere"
        query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
        names = [name for name, _ in query]
        expected = {DELETE: [], RETAIN: ["retention"]}[operation]
        if sorted(set(names) - {"versionId"}) != expected or len(set(names)) != len(names):
            return "that asks for something else"
        version = dict(query).get("versionId")
        if version is not None and version not in self.versions:
            return "on a version that it did not create"
        if operation == RETAIN and version is None and None not in self.versions:
            return "on no version of its own"
        return ""

    def path_of(self, url: str, endpoint: str | None) -> str:
        """The key that a URL names in this object's bucket; empty where it is another bucket's."""
        parts, base = urlsplit(url), urlsplit(endpoint or "")
        in_host = parts.netloc.startswith(self.bucket + ".") and parts.netloc != base.netloc
        root = base.path.rstrip("/") + ("/" if in_host else f"/{self.bucket}/")
        path = unquote(parts.path)
        return path.removeprefix(root) if path.startswith(root) else ""
