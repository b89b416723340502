"""textual-serve for one incident: a page that loads nothing from elsewhere, and answers only itself.

A browser runs pages of strangers beside this one. What they send is told by its `Origin`; a name of
theirs that was pointed at this machine (DNS rebinding), by its `Host`. Both are turned away.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from textual_serve.server import Server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_HERE = ("localhost", "127.0.0.1", "::1")
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'"
)


class IncidentServer(Server):
    """Starts one `drbook` for each browser that opens the page."""

    def __init__(self, command: str, host: str, port: int, title: str, *, only_here: bool) -> None:
        super().__init__(
            command,
            host=host,
            port=port,
            title=f"drbook: {title}",
            templates_path=Path(__file__).with_name("web"),
        )
        self._only_here = only_here

    def initialize_logging(self) -> None:
        """Its own would show a failure with the values of every variable."""

    async def on_startup(self, app: web.Application) -> None:
        """Its own prints a greeting; what is served is said before."""

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard())
        return app

    def _guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if why := self._foreign(request):
                raise web.HTTPForbidden(text=why)
            response = await handler(request)
            if not response.prepared:
                response.headers["Content-Security-Policy"] = _POLICY
                response.headers["Referrer-Policy"] = "no-referrer"
            return response

        return guard

    def _foreign(self, request: web.Request) -> str:
        """Why this was not asked for by our own page; empty where it was."""
        if self._only_here and urlsplit(f"//{request.host}").hostname not in (*_HERE, self.host):
            return "This is served to this machine alone, under its own name."
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return "Another site's page asked for this."
        return ""
