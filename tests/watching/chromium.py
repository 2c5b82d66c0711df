"""Debian's Chromium without a window, driven through ChromeDriver's own HTTP interface (W3C WebDriver)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from bridge.sandbox.process import LOOPBACK, free_ports
from tests.support.processes import wait_for
from tests.watching.small_png import smaller

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

PROGRAMS: Final = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Program -> Debian's package."""
ENTER: Final = "\ue007"
TAB: Final = "\ue004"
SHIFT: Final = "\ue008"
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # its own does not work for root
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}",
)
_TALL: Final = 16_000


class Chromium:
    """One browser with one page; it reaches 127.0.0.1 only."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for its profile and log."""
        self._folder = folder
        self._session = ""
        self._width = 0
        [port] = free_ports(1)
        self._url = f"http://{LOOPBACK}:{port}"
        with (folder / "chromedriver.log").open("wb") as log:
            environment = {**os.environ, "TZ": "UTC"}  # of the times on the page
            words = ["chromedriver", f"--port={port}"]
            self._driver = subprocess.Popen(words, stdout=log, stderr=log, env=environment)

    def __enter__(self) -> Self:
        try:
            wait_for(self._ready, 30, "ChromeDriver does not answer")
            flags = [*_FLAGS, f"--user-data-dir={self._folder / 'profile'}"]
            options = {"args": flags, "binary": "/usr/bin/chromium"}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{answer['sessionId']}"
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._ask("DELETE", self._session)
        self._end()

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the size of the screen in CSS pixels, and which colours the user prefers. Below 600 it is a phone."""
        self._width = width
        phone = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url: str) -> None:
        """Load a page anew; what the console said of a former one is forgotten."""
        self._ask("POST", f"{self._session}/url", {"url": "about:blank"})
        self.complaints()
        self._ask("POST", f"{self._session}/url", {"url": url})

    def script(self, body: str, *arguments: object) -> Any:
        """Run a function's body in the page; return its value, or what its promise gives."""
        whole = f"const act = async function() {{ {body} }}; return act.apply(null, arguments);"
        return self._ask("POST", f"{self._session}/execute/sync", {"script": whole, "args": list(arguments)})

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Wait until an expression is true in the page."""
        wait_for(
            lambda: self.script(f"return Boolean({condition})"), seconds, lambda: f"not {condition}: {self.text()}"
        )

    def text(self, selector: str = "body") -> str:
        """Return the text of an element as it is shown."""
        return str(self.script("return document.querySelector(arguments[0]).innerText", selector))

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all such elements."""
        return list(
            self.script("return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)", selector)
        )

    def click(self, selector: str) -> None:
        self._ask("POST", f"{self._session}/element/{self._element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._ask("POST", f"{self._session}/element/{self._element(selector)}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Press keys together, as on a keyboard, wherever the focus is."""
        down = [{"type": "keyDown", "value": key} for key in keys]
        up = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        keyboard = {"type": "key", "id": "keyboard", "actions": [*down, *up]}
        self._ask("POST", f"{self._session}/actions", {"actions": [keyboard]})

    def complaints(self) -> list[str]:
        """Return errors and warnings of the page's console since the last call, such as those of its CSP."""
        lines = self._ask("POST", f"{self._session}/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] in {"SEVERE", "WARNING"}]

    def picture(self, path: Path, most: int = _TALL) -> None:
        """Write a picture of the whole page as PNG, at most so many pixels high."""
        height = min(int(self.script("return document.documentElement.scrollHeight")), most)
        clip = {"x": 0, "y": 0, "width": self._width, "height": height, "scale": 1}
        found = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(smaller(base64.b64decode(found["data"])))

    # --- inside --------------------------------------------------------------------------------------------------

    def _element(self, selector: str) -> str:
        found = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _devtools(self, command: str, values: dict[str, Any]) -> Any:
        return self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": values})

    def _ready(self) -> bool:
        try:
            return bool(self._ask("GET", "/status")["ready"])
        except OSError:
            assert self._driver.poll() is None, (self._folder / "chromedriver.log").read_text()
            return False

    def _ask(self, method: str, path: str, value: object = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self._url + path, body, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            with error:
                told = json.loads(error.read())["value"]
            raise AssertionError(f"{path}: {told['error']}: {told['message']}") from None

    def _end(self) -> None:
        self._driver.terminate()
        self._driver.wait(30)
