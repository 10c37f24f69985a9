"""Chromium, one for each module: while Playwright is at work, asynchronous tests cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from web.browsing import Visit

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LIMIT_MS = 20_000
"""For what is awaited; the machine may have other work."""
Visiting = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.is_file():
        pytest.skip(f"{CHROMIUM} is not there, and this test runs a real one. On Debian: apt-get install chromium")
    expect.set_options(timeout=LIMIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    """Visits pages, each in a context of its own with Playwright's `options`; none of them may complain."""
    visits: list[Visit] = []

    def visit(url: str, *, view: str = "talk", **options: Any) -> Visit:
        visits.append(Visit(browser.new_context(**options), url, view=view))
        return visits[-1]

    yield visit
    for each in visits:
        each.page.context.close()
    assert [each.complaints for each in visits] == [[] for _ in visits]
