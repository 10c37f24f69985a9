"""`tear chat`: turn after turn, each reflected upon before it is answered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from tear_chain.conversation import Message, Role
from tear_chain.errors import InvalidRequest, TearError
from tear_chain.words import Reflection
from tear_client.terminal import print_aside, print_problem

HELP = "/direct answers without reflection, and back again. /quit or Ctrl-D ends. Ctrl-C stops an answer."

Ask = Callable[[list[Message], bool], Reflection]
"""Shows the reflection of a conversation and returns it; the flag bypasses the reflection."""


class Chat:
    """One conversation with its history. `ask` does the asking and the showing."""

    def __init__(self, ask: Ask, *, direct: bool) -> None:
        self._ask = ask
        self._direct = direct
        self._history: list[Message] = []
        self._is_person = sys.stdin.isatty()

    def run(self) -> None:
        """Read turns until the end of input.

        A person at a terminal may stop an answer, is told what went wrong, and goes on; a script's conversation
        ends there.
        """
        if self._is_person:
            with suppress(ImportError):  # Windows has none
                import readline  # noqa: F401 - gives `input` its editing and history
            print_aside(HELP)
        while True:
            try:
                line = self._read_line()
                if line is None or not self._take(line):
                    return
            except TearError as error:
                if not self._is_person:
                    raise
                print_problem(error.sentence())

    def _take(self, line: str) -> bool:
        """Answer one line; False when it ends the conversation."""
        text = line.strip()
        if line.startswith("/"):
            return self._obey(text)
        if text:
            self._turn(text)
        return True

    def _obey(self, command: str) -> bool:
        match command:
            case "/quit":
                return False
            case "/direct":
                self._direct = not self._direct
                print_aside("Answering directly, without reflection." if self._direct else "Reflecting again.")
            case "/help":
                print_aside(HELP)
            case _:
                raise InvalidRequest(
                    f"There is no command {command.partition(' ')[0]}; put a space before it to say it. {HELP}"
                )
        return True

    def _turn(self, text: str) -> None:
        said = Message(Role.USER, text)
        try:
            reflection = self._ask([*self._history, said], self._direct)
        except KeyboardInterrupt:
            if not self._is_person:
                raise
            print_aside("Stopped. The conversation goes on as if this had not been asked.")
            return
        self._history += [said, Message(Role.ASSISTANT, reflection.answer)]

    def _read_line(self) -> str | None:
        """The next line, None at the end of input."""
        try:
            return self._ask_person() if self._is_person else sys.stdin.readline() or None
        except UnicodeDecodeError as error:
            raise InvalidRequest("What came in is not UTF-8 text. Convert it first.") from error

    def _ask_person(self) -> str | None:
        prompt = "\nyou > " if sys.stdout.isatty() else ""
        while True:
            try:
                return input(prompt)
            except EOFError:
                print_aside("")
                return None
            except KeyboardInterrupt:
                print_aside("\n/quit or Ctrl-D ends.")
