"""Open WebUI in Chromium: `drive_open_webui.py URL PICTURE QUESTION` prints what a person sees, as JSON.

A program of its own, run by the environment that has Playwright.
"""

import json
import sys

from playwright.sync_api import sync_playwright

url, picture, question = sys.argv[1:]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LIMIT_MS = 60_000

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    page = browser.new_page(viewport={"width": 1100, "height": 760})
    page.set_default_timeout(LIMIT_MS)
    page.goto(url)
    # It greets a new person with its release notes.
    page.get_by_role("dialog").get_by_role("button").last.click()
    page.locator("#chat-input").click()
    page.keyboard.type(question)
    page.keyboard.press("Enter")
    reply = page.locator(".chat-assistant")
    page.get_by_text("Response complete").wait_for(state="attached")
    # What it thought is folded away.
    reply.get_by_role("button", name="Thought for").click()
    reply.get_by_text("Decision: ").wait_for()
    # Unfolding, it pushes the answer down: tried clicks wait until nothing moves.
    reply.locator(".markdown-prose").last.click(trial=True)
    page.screenshot(path=picture, animations="disabled")
    print(json.dumps({"shown": reply.inner_text()}))
    browser.close()
