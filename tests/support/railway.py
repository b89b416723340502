"""A stand-in for Railway's API: the part of its public schema that is asked, answered by kinds of token."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graphql import GraphQLError, build_schema, graphql_sync, parse, validate

SCHEMA = build_schema("""
type Query {
  me: User!
  apiToken: ApiTokenContext!
  projectToken: ProjectToken!
  projects(after: String, before: String, first: Int, includeDeleted: Boolean, last: Int, userId: String,
           workspaceId: String): QueryProjectsConnection!
}
type User { id: ID!  email: String!  name: String }
type ApiTokenContext { workspaces: [ApiTokenWorkspace!]! }
type ApiTokenWorkspace { id: String!  name: String! }
type ProjectToken { id: ID!  name: String!  project: Project!  environment: Environment! }
type Project { id: ID!  name: String! }
type Environment { id: ID!  name: String! }
type QueryProjectsConnection { edges: [QueryProjectsConnectionEdge!]!  pageInfo: PageInfo! }
type QueryProjectsConnectionEdge { cursor: String!  node: Project! }
type PageInfo { endCursor: String  hasNextPage: Boolean!  hasPreviousPage: Boolean!  startCursor: String }
""")
"""An excerpt of the introspection that Railway publishes with its command line (railwayapp/cli)."""

RENTAL = {"id": "p-1", "name": "rental"}


class Railway:
    """Tokens by their header; `seen` is what was asked."""

    def __init__(self, *, more: bool = False) -> None:
        self.more = more
        self.seen: list[str] = []

    def answer(self, body: bytes, project: str | None, bearer: str | None) -> dict[str, Any]:
        query = json.loads(body)["query"]
        self.seen.append(query)
        if found := validate(SCHEMA, parse(query)):
            return {"errors": [each.formatted for each in found]}
        kind = {"prj": "project", "acc": "account", "wsp": "workspace"}
        is_ = kind.get((project or "")[:3]) if project else kind.get((bearer or "")[7:10])
        told = graphql_sync(
            SCHEMA, query, self._root(is_ if bool(project) == (is_ == "project") else None)
        )
        return dict(told.formatted)

    def _root(self, is_: str | None) -> dict[str, Any]:
        def deny(*_: object) -> None:
            raise GraphQLError("Not Authorized")

        def absent(*_: object) -> None:
            raise GraphQLError("Project Token not found")

        page = {"hasNextPage": self.more, "hasPreviousPage": False}
        listed = {"edges": [{"cursor": "1", "node": RENTAL}], "pageInfo": page}
        token = {"id": "t", "name": "ci", "project": RENTAL}
        token["environment"] = {"id": "e", "name": "production"}
        bearer = is_ in ("account", "workspace")
        return {
            "me": {"id": "u", "email": "a@b"} if is_ == "account" else deny,
            "apiToken": {"workspaces": [{"id": "w", "name": "acme"}]} if bearer else deny,
            "projects": (lambda *_, **__: listed) if bearer else deny,
            "projectToken": token if is_ == "project" else absent,
        }


@contextmanager
def running_railway(*, more: bool = False) -> Iterator[tuple[Railway, str]]:
    """The stand-in on loopback, and its endpoint."""
    made = Railway(more=more)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            project, bearer = (
                self.headers.get(name) for name in ("Project-Access-Token", "Authorization")
            )
            data = json.dumps(made.answer(body, project, bearer)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made, f"http://127.0.0.1:{server.server_address[1]}/graphql/v2"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
