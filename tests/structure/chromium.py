"""Chromium seen through its debugging pipe: a page at a true phone width, judged, photographed, printed.

`--window-size` alone never gets below 500 px; only a device of the debugging protocol does. No package is needed.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = "" if os.name == "nt" else next((path for name in NAMES if (path := shutil.which(name))), "")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
          "--disable-background-networking", "--no-first-run")


class Page:
    """One tab. Every message of the browser is kept, so that what it asked of the network can be told afterwards."""

    def __init__(self, out: Any, back: Any) -> None:
        self._out, self._back, self._n, self._session = out, back, 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        self._n += 1
        message = {"id": self._n, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            found = self._read()
            if found.get("id") == self._n:
                assert "error" not in found, (method, found.get("error"))
                return found["result"]
            self.events.append(found)

    def _read(self) -> dict[str, Any]:
        parts = bytearray()
        while (letter := self._back.read(1)) != b"\0":
            assert letter, "Chromium went away"
            parts += letter
        return json.loads(parts)

    def open(self, path: Path, width: int, *, height: int = 1000) -> None:
        """Show a file in a window of `width` px and wait until it and its fonts are there."""
        self.events.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=path.absolute().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())
        self.run("document.fonts.ready.then(() => true)")

    def run(self, script: str) -> Any:
        """The value of a script in the page; a promise is awaited. The page's own policy does not bind the debugger."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def asked_for(self) -> list[str]:
        """Addresses that the page asked for, its own excepted; data: addresses are in the file itself."""
        sent = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in sent[1:] if not url.startswith("data:")]

    def complaints(self) -> list[str]:
        """What the browser's console says of the page: a broken policy, a failed load."""
        return [e["params"]["entry"]["text"] for e in self.events if e.get("method") == "Log.entryAdded"]

    def picture(self) -> bytes:
        """The whole page, top to bottom, as png."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    def printed(self) -> bytes:
        """The page as a reader prints it: Letter, with the page's own print rules."""
        made = self.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True, paperWidth=8.5, paperHeight=11)
        return base64.b64decode(made["data"])


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A fresh browser with one tab, closed at the end."""
    to_it, from_us = os.pipe()
    from_it, to_us = os.pipe()

    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_it, to_us)]  # the protocol wants 3 and 4: keep clear
    quiet = os.open(os.devnull, os.O_WRONLY)
    moves = [(os.POSIX_SPAWN_DUP2, high[0], 3), (os.POSIX_SPAWN_DUP2, high[1], 4), (os.POSIX_SPAWN_DUP2, quiet, 2)]
    process = os.posix_spawn(CHROMIUM, [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"], os.environ,
                             file_actions=moves)
    for fd in (to_it, to_us, quiet, *high):
        os.close(fd)
    try:
        with os.fdopen(from_us, "wb") as out, os.fdopen(from_it, "rb", buffering=1 << 16) as back:
            page = Page(out, back)
            yield page
            with contextlib.suppress(AssertionError, OSError):
                page._session = ""
                page.ask("Browser.close")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
