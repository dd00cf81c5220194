"""One page in the browser: opened, asked, looked at; what it complained of and what it asked for is kept."""

import base64
from pathlib import Path
from typing import Any

from tests.browser.devtools import DevTools, DevToolsError, Event

HEIGHT = 900
WIDER = """(() => {
  const edge = document.documentElement.clientWidth + 1;
  const scrolls = each => getComputedStyle(each).overflowX !== 'visible';
  const reaches = each => {
    const box = each.getBoundingClientRect();
    return Math.max(box.right, scrolls(each) ? 0 : box.left + each.scrollWidth) > edge;
  };
  const isShown = each => {
    for (let above = each.parentElement; above && above !== document.body; above = above.parentElement)
      if (scrolls(above)) return false;
    return true;
  };
  const wide = [...document.querySelectorAll('body *')].filter(each => reaches(each) && isShown(each)).slice(0, 200);
  return wide.filter(each => !wide.some(other => other !== each && each.contains(other)))
    .slice(0, 5).map(each => each.outerHTML.slice(0, 120));
})()"""
"""The elements that reach beyond the right edge of the window, and scroll in nothing."""


class Page:
    """A page of one width."""

    def __init__(self, devtools: DevTools, session: str, context: str, width: int, *, is_dark: bool) -> None:
        self._devtools, self._session = devtools, session
        self._context = {"browserContextId": context}
        self.problems: list[str] = []
        """What the console shows as an error, exceptions of scripts, requests that failed."""
        self.requests: list[str] = []
        """The addresses that were asked for."""
        self.dialogs: list[str] = []
        """What ``alert`` and its kind have shown: a script has run."""
        self._loaded = False
        devtools.listeners[session] = self._on
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def call(self, method: str, **parameters: Any) -> Event:
        """A command of the protocol for this page."""
        return self._devtools.call(method, self._session, **parameters)

    def resize(self, width: int) -> None:
        """Give the window another width; a narrow one is a telephone's."""
        metrics = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def forget(self) -> None:
        """Keep nothing of what was until now."""
        for kept in (self.problems, self.requests, self.dialogs):
            kept.clear()

    def open(self, address: str) -> None:
        """Go to an address, and wait until it is loaded.

        :raises DevToolsError: there is nothing, or it takes too long.
        """
        self._loaded = False
        answer = self.call("Page.navigate", url=address)
        if answer.get("errorText"):
            raise DevToolsError(f"{address}: {answer['errorText']}")
        self._devtools.wait(lambda: self._loaded, address)

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript; of a promise, what it comes to.

        :raises DevToolsError: it throws.
        """
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise DevToolsError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true, looking at each frame.

        :raises DevToolsError: it does not come in time.
        """
        self.ask(f"new Promise(so => {{ const look = () => ({expression}) ? so() : setTimeout(look, 20); look(); }})")

    def overflow(self) -> list[str]:
        """What makes the page wider than its window; nothing where it fits."""
        is_wide = self.ask("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return (self.ask(WIDER) or ["the page"]) if is_wide else []

    def may(self, *permissions: str) -> None:
        """Give the page rights that a browser asks its user for, and the keyboard's focus."""
        origin = self.ask("location.origin")
        self._devtools.call("Browser.grantPermissions", permissions=permissions, origin=origin, **self._context)
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def screenshot(self, file: Path, *, is_whole: bool = True) -> None:
        """A picture (PNG) of the page, or of its first window."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=is_whole)["data"]
        file.write_bytes(base64.b64decode(data))

    def _on(self, event: Event) -> None:
        """Keep what an event says."""
        given = event["params"]
        match event["method"]:
            case "Page.loadEventFired":
                self._loaded = True
            case "Page.javascriptDialogOpening":
                self.dialogs.append(str(given["message"]))
                self.call("Page.handleJavaScriptDialog", accept=False)  # the page waits until then
            case "Network.requestWillBeSent":
                self.requests.append(str(given["request"]["url"]))
            case "Network.loadingFailed":
                self.problems.append(f"not loaded: {given['errorText']}")
            case "Log.entryAdded" if given["entry"]["level"] == "error":
                self.problems.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
            case "Runtime.exceptionThrown":
                self.problems.append(str(given["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if given["type"] in {"error", "assert"}:
                self.problems.append(str(given["args"]))
