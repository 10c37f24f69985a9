"""`tear` on a terminal, before the real application with a scripted engine: each moment can be held."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest
from clients.conftest import Serve
from keyboard import CTRL_C, CTRL_D, TAB, UP, terminal
from scripted import ScriptedEngine
from stories import REVISED, until

from tear_chain.words import Stage
from tear_server.api.app import Access
from tear_server.keys import Key, make_key

PROMPT = "you > "


def test_ctrl_c_stops_an_answer_and_not_the_conversation(serve: Serve, engines: list[ScriptedEngine]) -> None:
    serve(hang_in=Stage.WITNESS)
    with terminal("chat") as at:
        at.until(PROMPT)
        at.press("One\n")
        at.until("witness")
        at.press(CTRL_C)
        at.until("Stopped.")
        at.until(PROMPT)
        asyncio.run(until(lambda: engines[0].closed == [each.id for each in engines[0].asked]))
        engines[0].hang_in = None
        at.press(f"{UP}\n")
        assert "One" in at.until("draft")
        assert "revise" in at.until(PROMPT)
        at.press(CTRL_D)
        assert at.end() == 0


def test_ctrl_c_before_anything_came_leaves_a_quiet_terminal() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        terminal("--url", f"127.0.0.1:{silent.getsockname()[1]}", "chat") as at,
    ):
        at.until(PROMPT)
        at.press("One\n")
        at.until("waiting for the server")
        at.press(CTRL_C)
        at.until("Stopped.")
        at.until(PROMPT)
        at.press("/help\n")
        assert "waiting" not in at.until("/report")
        assert "waiting" not in at.until(PROMPT)
        at.press(CTRL_D)
        assert at.end() == 0


def test_a_limit_is_counted_down_and_can_be_left(serve: Serve) -> None:
    key, digest = make_key()
    serve(access=Access(keys={"alice": Key(sha256=digest, requests_per_minute=1)}))
    with terminal("chat", TEAR_API_KEY=key) as at:
        at.until(PROMPT)
        at.press("One\n")
        at.until(PROMPT)
        at.press("Two\n")
        at.until("Come again in")
        at.until("Trying again in")
        at.press(CTRL_C)
        at.until("Stopped.")
        at.until(PROMPT)
        at.press("/quit\n")
        assert at.end() == 0


def test_tab_completes_a_command_and_a_mistake_ends_nothing(serve: Serve) -> None:
    serve()
    with terminal("chat") as at:
        at.until(PROMPT)
        at.press(f"/he{TAB}\n")
        assert "/report" in at.until(PROMPT)
        at.press("/sing\n")
        at.until("no command /sing")
        at.until(PROMPT)
        at.press("/witness\n")
        at.until("Nothing was answered yet")
        at.until(PROMPT)
        at.press("One\n")
        at.until(PROMPT)
        at.press("/witness\n")
        assert "closes" in at.until(PROMPT)
        at.press(CTRL_D)
        assert at.end() == 0


def test_a_terminal_that_cannot_redraw_gets_plain_lines_and_the_help(serve: Serve) -> None:
    serve()
    with terminal("chat", TERM="dumb") as at:
        at.until(PROMPT)
        at.press("/help\n")
        assert "/report" in at.until(PROMPT)
        at.press("One\n")
        assert "decision: revise" in at.until(PROMPT)
        at.press(CTRL_D)
        assert at.end() == 0
        assert b"\x1b[2m" not in at.written


def test_a_stream_that_is_cut_leaves_what_had_come(serve: Serve) -> None:
    serve(fail_in=Stage.WITNESS)
    with terminal("ask", "One") as at:
        assert at.end() == 1
        after = at.shown[at.shown.rindex("draft") :]
        assert "".join(REVISED[Stage.DRAFT][:1]) in after
        assert "fails here" in after


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["", "NO_COLOR"])
def test_no_color_takes_the_colours_away(serve: Serve, environment: dict[str, str], coloured: bool) -> None:
    serve()
    with terminal("ask", "One", **environment) as at:
        assert at.end() == 0
        assert (re.search(rb"\x1b\[[0-9;]*3[1-6]m", at.written) is not None) == coloured


def test_a_weight_is_drawn_on_the_same_scale_whatever_shows_it(serve: Serve) -> None:
    serve(keeps=True)
    scale = re.compile("−3 ────●[─━┼◆]{20} \\+3   −2 closes")
    with terminal("ask", "One", "--no-stream") as at:
        assert at.end() == 0
        assert scale.search(at.shown)
        known = re.findall(r"refl-[0-9a-f]{32}", at.shown)[-1]
    with terminal("report", known, "--text", "She stopped.", "--weight", "-2") as at:
        assert at.end() == 0
        assert scale.search(at.shown)
