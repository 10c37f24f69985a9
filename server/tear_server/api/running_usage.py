"""What a reply has cost while it is written."""

from __future__ import annotations

from tear_chain.events import Event, StageCompleted, TextDelta
from tear_chain.words import Stage


class RunningUsage:
    """Shown each event of a reply, it knows what was generated so far, in OpenAI's terms."""

    def __init__(self, *, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._tokens: dict[tuple[int, Stage], int] = {}

    def see(self, place: int, event: Event) -> None:
        """Count an event of the answer in that place."""
        if isinstance(event, TextDelta):
            self._tokens[place, event.stage] = event.tokens
        elif isinstance(event, StageCompleted):
            self._tokens[place, event.report.stage] = event.report.tokens

    def shown(self) -> dict[str, int]:
        """The usage by now."""
        generated = sum(self._tokens.values())
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": generated,
            "total_tokens": self._prompt_tokens + generated,
        }
