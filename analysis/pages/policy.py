"""Restricts what a browser may do on srsweep's pages, and which requests the server of the dashboard answers.

A page runs only its own scripts, loads nothing from elsewhere and cannot be framed. The dashboard has no password. Its
server therefore answers only requests that name the server's own address. A foreign page may make its host name point
to this machine (DNS rebinding), but its requests still carry the foreign host name.
"""

import base64
import hashlib
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

Start = Callable[..., Any]
"""The function `start_response` of WSGI."""
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that no other machine can use."""
HEADERS = (
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Headers of every answer, besides the Content-Security-Policy."""


def hash_of(script: str) -> str:
    """Returns the source expression that allows exactly the inline script `script` in a Content-Security-Policy."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def policy(scripts: Iterable[str], *, served: bool) -> str:
    """Returns a Content-Security-Policy that allows the inline `scripts`, given as hashes.

    If `served`, it also allows files of the page's own server, and forbids other pages to frame this page. A page that
    is opened from a file has no server, and a browser ignores frame-ancestors in it.
    """
    own = ["'self'"] if served else []
    rules = {
        "default-src": ["'none'"],
        # plotly.js compiles the shaders of figures with many points by `new Function`.
        "script-src": [*own, *scripts, "'unsafe-eval'"],
        "style-src": [*own, "'unsafe-inline'"],
        "img-src": [*own, "data:", "blob:"],
        "font-src": [*own, "data:"],
        "connect-src": own or ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    if served:
        rules["frame-ancestors"] = ["'none'"]
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in rules.items())


class Guard:
    """A WSGI application that refuses requests for other hosts with 403, and adds the headers to every answer."""

    def __init__(self, application: Application, *, host: str, policy: str) -> None:
        self.application = application
        self.headers = [("Content-Security-Policy", policy), *HEADERS]
        self.any_address = host in ("", "0.0.0.0", "::")
        """Whether the server listens on all addresses of the machine."""
        self.names = names_of(host)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answers a request."""
        reason = self.refusal(environ)
        if reason:
            body = f"403: {reason}\n".encode()
            plain = ("Content-Type", "text/plain; charset=utf-8")
            start("403 Forbidden", [plain, ("Content-Length", str(len(body))), *self.headers])
            return [body]

        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            own = {name.lower() for name, _ in self.headers}
            others = [(name, value) for name, value in headers if name.lower() not in own]
            return start(status, [*others, *self.headers], *rest)

        return self.application(environ, answer)

    def refusal(self, environ: dict[str, Any]) -> str:
        """Returns the reason why a request is refused, or '' if it is answered."""
        asked = str(environ.get("HTTP_HOST", ""))
        if not self.is_allowed(asked):
            return "the dashboard answers only at the address that it announced; `--host` binds another"
        if environ.get("REQUEST_METHOD") in ("GET", "HEAD"):
            return ""
        origin = environ.get("HTTP_ORIGIN")
        own = origin is None or str(origin).partition("://")[2].lower() == asked.lower()
        site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
        return (
            "" if own and site in ("same-origin", "none") else "the request comes from another page"
        )

    def is_allowed(self, asked: str) -> bool:
        """Returns whether `asked`, the header Host of a request, names the address of the server.

        The port is ignored, because a tunnel may use a different port.
        """
        name = _normal(_without_port(asked))
        if self.any_address and _is_address(name):
            return True  # no host name can be made to point elsewhere, because there is none
        return name in self.names


def names_of(host: str) -> frozenset[str]:
    """Returns the host names by which requests may address a server that listens on `host`."""
    own = _normal(host)
    if own in ("", "0.0.0.0", "::"):
        return frozenset({*LOOPBACK, socket.gethostname().lower()})
    if own in LOOPBACK or (_is_address(own) and ip_address(own).is_loopback):
        return frozenset({*LOOPBACK, own})
    return frozenset({own})


def _without_port(asked: str) -> str:
    if asked.startswith("["):
        return asked[1:].partition("]")[0]
    return asked.partition(":")[0] if asked.count(":") < 2 else asked


def _normal(name: str) -> str:
    """Returns `name` in the spelling in which names are compared."""
    try:
        return str(ip_address(name.partition("%")[0]))
    except ValueError:
        return name.lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
