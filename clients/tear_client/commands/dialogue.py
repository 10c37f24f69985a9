"""A conversation with a server as it stands, and as a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic import dataclasses as checked

from tear_chain.conversation import Message, Role
from tear_chain.errors import InvalidRequest
from tear_chain.words import Reflection


@dataclass(frozen=True, slots=True)
class Turn:
    """What a person said, and the reflection that answered it."""

    said: str
    reflection: Reflection


@checked.dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Dialogue:
    """The turns so far; every change is another dialogue."""

    system: str | None = None
    turns: tuple[Turn, ...] = field(default=())

    def asking(self, said: str) -> list[Message]:
        """The messages with which the next thing is said."""
        messages = [] if self.system is None else [Message(Role.SYSTEM, self.system)]
        for turn in self.turns:
            messages += [Message(Role.USER, turn.said), Message(Role.ASSISTANT, turn.reflection.answer)]
        return [*messages, Message(Role.USER, said)]

    def and_then(self, said: str, reflection: Reflection) -> Dialogue:
        """The dialogue with one turn more."""
        return Dialogue(self.system, (*self.turns, Turn(said, reflection)))

    def before_last(self) -> Dialogue:
        """The dialogue without its last turn."""
        return Dialogue(self.system, self.turns[:-1])

    def under(self, system: str | None) -> Dialogue:
        """The same turns under another system message, or none."""
        return Dialogue(system, self.turns)

    @property
    def last(self) -> Turn:
        """The last turn; raise `InvalidRequest` where there is none."""
        if not self.turns:
            raise InvalidRequest("Nothing was answered yet. Say something first.")
        return self.turns[-1]

    def save(self, file: Path, *, may_replace: bool) -> None:
        """Write it as JSON; raise `InvalidRequest` where that cannot be."""
        try:
            written = _FORM.dump_json(self, indent=2) + b"\n"
            with file.open("wb" if may_replace else "xb") as out:
                out.write(written)
        except FileExistsError as error:
            raise InvalidRequest(f"{file} is there already. Choose another name.", param="file") from error
        except (OSError, ValueError) as error:  # an answer may hold half a character, which no file can
            raise InvalidRequest(f"{file} cannot be written: {_reason(error)}.", param="file") from error

    @staticmethod
    def load(file: Path) -> Dialogue:
        """Read what `save` wrote; raise `InvalidRequest` for anything else."""
        try:
            return _FORM.validate_json(file.read_bytes())
        except ValidationError as error:
            raise InvalidRequest(f"{file} is not a conversation that /save wrote. Choose another.") from error
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"{file} cannot be read: {_reason(error)}.", param="file") from error


_FORM = TypeAdapter(Dialogue)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
