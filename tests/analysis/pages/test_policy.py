"""Tests which requests a real dashboard server answers, and what its pages may do."""

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from analysis.pages.policy import Guard, hash_of, names_of
from analysis.pages.report import report_page
from tests.stored import Database

dash = pytest.importorskip("dash", reason="needs Dash: pip install srsweep[dashboard]")


@contextmanager
def served(url: str, host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a dashboard that was bound to `host`; it listens on this machine alone."""
    from werkzeug.serving import make_server

    from analysis.pages.dashboard import make_app

    server = make_server("127.0.0.1", 0, make_app(url, host=host).server, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(
    port: int, path: str, host: str | None, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    body = b"{}" if method == "POST" else b""
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    if body:
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()


PATHS = ("/", "/_dash-layout", "/_dash-dependencies", "/_dash-component-suites/x.js", "/nothing")


def test_only_the_announced_host_is_answered(small: Database) -> None:
    with served(small.url) as port:
        for path in PATHS:
            for wrong in ("evil.example.com", f"evil.example.com:{port}", "192.0.2.7", "", None):
                status, headers, text = ask(port, path, wrong)
                assert status == 403, (path, wrong)
                assert "small" not in text
                assert headers["X-Frame-Options"] == "DENY"
            # An absolute request line names its host itself.
            assert ask(port, f"http://evil.example.com{path}", "127.0.0.1")[0] == 403
        for right in ("127.0.0.1", f"127.0.0.1:{port}", "LOCALHOST:1", "[::1]:9000"):
            assert ask(port, "/_dash-layout", right)[0] == 200, right


@pytest.mark.parametrize(
    ("bound", "right", "wrong"),
    [
        ("localhost", ["localhost", "127.0.0.1", "[::1]"], ["evil.example.com", "10.0.0.1"]),
        ("127.0.0.2", ["127.0.0.2", "localhost"], ["evil.example.com"]),
        ("::1", ["[::1]:8050", "[0:0:0:0:0:0:0:1]", "localhost"], ["[::2]"]),
        ("box.lan", ["box.lan:8050", "BOX.lan"], ["localhost", "evil.lan", "127.0.0.1"]),
        ("10.1.2.3", ["10.1.2.3:8050"], ["10.1.2.4", "localhost"]),
        ("0.0.0.0", ["10.1.2.3:8050", "localhost", "[fe80::1]:1"], ["evil.example.com", ""]),
    ],
)
def test_the_names_of_a_host(bound: str, right: list[str], wrong: list[str]) -> None:
    guard = Guard(lambda environ, start: [], host=bound, policy="")
    assert [name for name in right if not guard.is_allowed(name)] == []
    assert [name for name in wrong if guard.is_allowed(name)] == []
    assert names_of(bound)


def test_another_page_cannot_send(small: Database) -> None:
    with served(small.url) as port:
        own, path = f"127.0.0.1:{port}", "/_dash-update-component"
        for headers in (
            {"Origin": "http://evil.example.com"},
            {"Origin": "null"},
            {"Origin": f"http://localhost:{port}"},
            {"Sec_Fetch_Site": "cross-site"},
        ):
            assert ask(port, path, own, "POST", **headers)[0] == 403, headers
        # An answer of Dash itself to an empty request, which is no refusal.
        assert ask(port, path, own, "POST", Origin=f"http://{own}")[0] != 403
        assert ask(port, path, own, "POST")[0] != 403


def test_every_answer_says_what_a_browser_may_do(small: Database) -> None:
    with served(small.url) as port:
        status, headers, page = ask(port, "/", "localhost")
        for path in PATHS:
            others = ask(port, path, "localhost")[1]
            assert others["Content-Security-Policy"] == headers["Content-Security-Policy"]
            assert others["X-Content-Type-Options"] == "nosniff"
            assert others["Referrer-Policy"] == "no-referrer"
    assert status == 200
    rules = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in rules
    assert "'unsafe-inline'" not in re.search(r"script-src[^;]*", rules)[0]  # type: ignore[index]
    scripts = re.findall(r"<script(?![^>]*(?:src|json))[^>]*>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) >= 2
    assert [text for text in scripts if hash_of(text) not in rules] == []


def test_the_report_runs_only_its_own_scripts(small: Database) -> None:
    page = report_page(small.url)
    (rules,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = rules.replace("&#39;", "'")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert hash_of(script) in rules
    assert rules.startswith("default-src 'none'; script-src 'sha256-")
    assert "'unsafe-inline'" not in re.search(r"script-src[^;]*", rules)[0]  # type: ignore[index]
