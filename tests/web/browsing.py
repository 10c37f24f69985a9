"""A page in a real browser, watched: whatever it complains of is held against it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page

from tear_server.api.app import Access, build_app
from tear_server.service import Service

REFUSED = "Failed to load resource"
"""What Chromium says of every reply with an error status; what the page makes of it is tested."""


class Visit:
    """One page and its complaints."""

    def __init__(self, context: BrowserContext, url: str, *, view: str = "talk") -> None:
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.goto(url if view == "talk" else f"{url}/#{view}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(REFUSED):
            self.complaints.append(message.text)

    def say(self, text: str) -> Locator:
        """Send a message, and give the turn that begins."""
        self.page.get_by_label("Your message", exact=True).last.fill(text)
        self.page.keyboard.press("Enter")
        return self.turn

    @property
    def turn(self) -> Locator:
        """The last turn."""
        return self.page.locator(".turn").last

    def ended(self) -> Locator:
        """The last turn, once it is whole."""
        self.page.wait_for_selector(".turn:last-child:not([aria-busy])")
        return self.turn

    def station(self, name: str) -> Locator:
        """Draft, Witness or Answer of the last turn."""
        return self.turn.locator(".station", has=self.page.get_by_role("heading", name=name, exact=True))

    def is_too_wide(self) -> bool:
        """Whether anything would have to be scrolled to the side."""
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return wide


@contextmanager
def serving(service: Service, access: Access | None = None) -> Iterator[str]:
    """The service on a real HTTP server in a thread of its own; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Without its own logging, which is the whole process's.
        config = uvicorn.Config(build_app(service, access), log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
        # The port is open by now: who comes before the server listens waits a little.
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
            assert not thread.is_alive()


def events(*told: tuple[str, dict[str, Any]]) -> bytes:
    """A stream of named events, as the server would send it."""
    return "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told).encode()
