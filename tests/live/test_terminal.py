"""`tear` as a person meets it: on a terminal, with keys pressed, against the live server."""

from __future__ import annotations

from pathlib import Path

from keyboard import CTRL_D, terminal
from live.conftest import LiveServer

from tear_client.commands.dialogue import Dialogue

ASKED = "We buried my uncle on Friday. I can't go into his shed."
PROMPT = "you > "


def test_a_person_talks_looks_back_reports_and_keeps_it(live: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    with terminal("--url", live.url, "chat", "--seed", "2") as at:
        at.until(PROMPT)
        at.press(f"{ASKED}\n")
        assert "answer" in at.until(PROMPT)
        at.press("/witness\n")
        assert "decision" in at.until(PROMPT)
        at.press("/direct\n")
        at.until(PROMPT)
        at.press("And the bees?\n")
        assert "answered directly" in at.until(PROMPT)
        at.press("/direct\n/retry\n")
        at.until("Reflecting again.")
        at.until("refl-")
        at.until(PROMPT)
        at.press("/report +2 I opened the shed.\n")
        at.until("Reported on refl-")
        at.until(PROMPT)
        at.press(f"/save {file}\n")
        at.until("2 turns are in")
        at.until(PROMPT)
        at.press(CTRL_D)
        assert at.end() == 0
    assert [turn.said for turn in Dialogue.load(file).turns] == [ASKED, "And the bees?"]


def test_ask_draws_the_chain_and_the_weight_on_its_scale(live: LiveServer) -> None:
    with terminal("--url", live.url, "ask", ASKED, "--seed", "2") as at:
        assert at.end() == 0
        for part in ("draft", "witness", "answer", "weight", "−3 ", " +3", "decision", "refl-"):
            assert part in at.shown
