"""The loop of `tear chat`: lines of a person or a script, some of them commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tear_chain.errors import InvalidRequest, TearError
from tear_chain.words import WEIGHTS, Reflection
from tear_client.calls import DIRECT_SUFFIX, Item, Wishes
from tear_client.commands.dialogue import Dialogue
from tear_client.commands.showing import Speaker
from tear_client.errors import StatusError
from tear_client.terminal import count_down, print_aside, print_problem

COMMANDS: Mapping[str, str] = {
    "/witness": "what the last answer would do; with TEXT, what that would do in its place",
    "/direct": "answer without reflection, and back again",
    "/model": "talk to the model NAME; without one, which there are",
    "/system": "begin with the system message TEXT; without one, with none",
    "/retry": "answer the last thing said anew",
    "/report": "WEIGHT TEXT: tell the server what really came of the last answer",
    "/new": "begin a new conversation",
    "/save": "keep the conversation in FILE",
    "/load": "go on with the conversation in FILE",
    "/help": "this",
    "/quit": "end, as Ctrl-D does",
}
_WELCOME = "/help lists what can be done besides talking. Ctrl-C stops an answer, Ctrl-D ends."


class Talk:
    """One conversation with a server."""

    def __init__(
        self,
        speaker: Speaker,
        wishes: Wishes,
        *,
        direct: bool = False,
        wait: Callable[[float], None] = count_down,
    ) -> None:
        self._speaker = speaker
        self._wishes = wishes
        self._direct = direct
        self._wait = wait
        self._dialogue = Dialogue()
        self._file: Path | None = None
        """Where this conversation was last saved or comes from: it may be written there again."""
        self._is_person = sys.stdin.isatty()

    def run(self) -> None:
        """Read turns until the end of input.

        A person at a terminal may stop an answer, is told what went wrong, and goes on; a script's conversation
        ends there.
        """
        if self._is_person:
            _prepare_editing()
            print_aside(_WELCOME)
        while True:
            try:
                line = self._read_line()
                if line is None or not self._take(line):
                    return
            except TearError as error:
                if not self._is_person:
                    raise
                print_problem(error.sentence())
            except KeyboardInterrupt:
                if not self._is_person:
                    raise
                print_aside("Stopped. The conversation goes on as if this had not been asked.")

    def _take(self, line: str) -> bool:
        """Answer one line; False when it ends the conversation."""
        text = line.strip()
        if line.startswith("/"):
            name, _, rest = text.partition(" ")
            return self._obey(name, rest.strip())
        if text:
            self._dialogue = self._answered(self._dialogue, text)
        return True

    def _obey(self, name: str, rest: str) -> bool:
        match name:
            case "/quit":
                return False
            case "/help":
                print_aside("\n".join(f"{command:<9} {what}" for command, what in COMMANDS.items()))
            case "/direct":
                self._direct = not self._direct
                print_aside("Answering directly, without reflection." if self._direct else "Reflecting again.")
            case "/witness":
                self._witness(rest)
            case "/model":
                self._choose(rest)
            case "/system":
                self._dialogue = self._dialogue.under(rest or None)
                print_aside("The system message is set." if rest else "There is no system message now.")
            case "/retry":
                self._retry()
            case "/report":
                self._report(rest)
            case "/new":
                self._dialogue, self._file = Dialogue(self._dialogue.system), None
                print_aside("A new conversation.")
            case "/save":
                self._save(_path(name, rest))
            case "/load":
                file = _path(name, rest)
                self._dialogue, self._file = Dialogue.load(file), file
                print_aside(f"{len(self._dialogue.turns)} turns of {file}.")
            case _:
                raise InvalidRequest(
                    f"There is no command {name}; put a space before it to say it. /help lists those that are."
                )
        return True

    def _answered(self, dialogue: Dialogue, said: str) -> Dialogue:
        return dialogue.and_then(said, self._ask(dialogue, said))

    def _ask(self, dialogue: Dialogue, said: str) -> Reflection:
        """The reflection on what was said; where a limit is reached it waits, as long as the server says."""
        while True:
            try:
                return self._speaker.reflect(dialogue.asking(said), self._wishes, direct=self._direct)
            except StatusError as error:
                if not error.retryable or error.retry_after_s is None:
                    raise
                print_problem(error.sentence())
                self._wait(error.retry_after_s)

    def _witness(self, text: str) -> None:
        last = self._dialogue.last
        asked = self._dialogue.before_last().asking(last.said)
        model = self._wishes.get("model")
        [found] = self._speaker.client.witness(
            Item(asked, text or last.reflection.answer), model=model and model.removesuffix(DIRECT_SUFFIX)
        )
        self._speaker.show_witness(found)

    def _choose(self, model: str) -> None:
        served = [each.id for each in self._speaker.client.models()]
        if not model:
            now = self._wishes.get("model") or (served[0] if served else "none")
            print_aside(f"Talking to {now}; there are {', '.join(served)}.")
        elif model in served:
            self._wishes = {**self._wishes, "model": model}
            print_aside(f"Talking to {model}.")
        else:
            raise InvalidRequest(f"There is no model {model} here. There are {', '.join(served)}.")

    def _retry(self) -> None:
        last, seed = self._dialogue.last, self._wishes.get("seed")
        if seed is not None:  # the same one would say the same
            self._wishes = {**self._wishes, "seed": seed + 1}
        self._dialogue = self._answered(self._dialogue.before_last(), last.said)

    def _report(self, rest: str) -> None:
        weight, _, text = rest.partition(" ")
        if weight.removeprefix("+") not in map(str, WEIGHTS) or not text.strip():
            raise InvalidRequest("Say how it landed, from -3 to +3, and what happened: /report +2 She called back.")
        reflection = self._dialogue.last.reflection
        self._speaker.client.report(reflection.id, text=text.strip(), weight=int(weight))
        print_aside(f"Reported on {reflection.id}.")

    def _save(self, file: Path) -> None:
        self._dialogue.save(file, may_replace=file == self._file)
        self._file = file
        print_aside(f"{len(self._dialogue.turns)} turns are in {file}.")

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


def _prepare_editing() -> None:
    """Give `input` its editing, the lines typed before, and Tab for commands."""
    with suppress(ImportError):  # Windows has none
        import readline

        def complete(text: str, state: int) -> str | None:
            fitting = [name for name in COMMANDS if name.startswith(text)] if text.startswith("/") else []
            return fitting[state] + " " if state < len(fitting) else None

        readline.set_completer_delims(" ")
        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")


def _path(command: str, rest: str) -> Path:
    if not rest:
        raise InvalidRequest(f"Name the file: {command} FILE.")
    return Path(rest).expanduser()
