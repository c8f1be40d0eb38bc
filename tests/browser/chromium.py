"""A headless Chromium of the test's own, driven by the DevTools protocol."""

import json
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 90.0
"""Seconds until something that ought to happen counts as missing; machines of tests are busy."""
LOCAL = ("http://127.0.0.1:", "file://", "data:", "blob:", "about:", "ws://127.0.0.1:")


def find_chromium() -> str | None:
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """A running Chromium. It shows a page at a time."""

    def __init__(self, program: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={self.folder.name}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.address = self._debugger()

    def _debugger(self) -> str:
        note = Path(self.folder.name) / "DevToolsActivePort"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            lines = note.read_text().split() if note.exists() else []
            if lines:
                return f"http://127.0.0.1:{lines[0]}/json"
            time.sleep(0.1)
        raise TimeoutError("chromium did not open its debugging port")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.folder.cleanup()


class Chromium:
    """One page. It records its errors and its requests."""

    def __init__(self, browser: Browser) -> None:
        import websocket  # not everywhere: tests that need it say so

        self.browser = browser
        new = Request(f"{browser.address}/new?about:blank", method="PUT")
        with urlopen(new) as answer:
            made = json.load(answer)
        self.identity: str = made["id"]
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.sent = 0
        self.socket = websocket.create_connection(made["webSocketDebuggerUrl"], timeout=PATIENCE)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.sent += 1
        number = self.sent
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, given = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(given["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and given["type"] == "error":
            self.errors.append(json.dumps(given["args"])[:500])
        elif method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.errors.append(given["entry"]["text"])

    def open(self, url: str, width: int = 1280, height: int = 900) -> None:
        self.resize(width, height)
        self.call("Page.navigate", url=url)

    def resize(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str, wanted: Callable[[Any], bool] = bool) -> Any:
        """The value of an expression as soon as it is as `wanted`."""
        end = time.monotonic() + PATIENCE
        value = None
        while time.monotonic() < end:
            value = self.evaluate(script)
            if wanted(value):
                return value
            time.sleep(0.05)
        raise TimeoutError(f"still {value!r} after {PATIENCE} s: {script}; {self.errors}")

    def move_mouse(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        self.resize(int(size["width"]), int(size["height"]))
        time.sleep(3)
        path.write_bytes(b64decode(self.call("Page.captureScreenshot")["data"]))

    @property
    def outside(self) -> list[str]:
        """Requests that left this machine."""
        return [url for url in self.requests if not url.startswith(LOCAL)]

    def close(self) -> None:
        self.socket.close()
        urlopen(f"{self.browser.address}/close/{self.identity}").close()
