"""What is known of a reflection while it streams: the fold of its events."""

from __future__ import annotations

from collections.abc import Iterator

from tear_chain.events import Completed, Event, Failed, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Decision, Field, Reflection, Scene, Stage, Status
from tear_client.replies import Witness

TOLD = (Field.WHO, Field.IMPACT, Field.RIPPLES)
"""The fields of a scene that are text."""


class Progress:
    """Feed it events in order; it holds the texts so far, and at the end the reflection."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        """The stage that is being written, None before the first and after the last."""
        self.draft = ""
        self.told = dict.fromkeys(TOLD, "")
        self.revised = ""
        self.witnessed: Witnessed | None = None
        self.reflection: Reflection | None = None

    def take(self, event: Event) -> None:
        """Add what one event tells."""
        match event:
            case StageStarted(stage=stage):
                self.stage = stage
            case TextDelta():
                self._add(event)
            case StageCompleted(report=report, text=text):
                self.stage = None
                if report.stage is Stage.DRAFT:
                    self.draft = text
                elif report.stage is Stage.REVISED:
                    self.revised = text
            case Witnessed(scene=scene):
                self.witnessed = event
                self.told = told(scene)
            case Completed(reflection=reflection):
                self.stage = None
                self.reflection = reflection
            case Failed():
                self.stage = None

    @property
    def answer(self) -> str:
        """The answer as far as it is known: the kept draft, the revision so far, or nothing yet."""
        if self.reflection is not None:
            return self.reflection.answer
        if self.witnessed is None:
            return ""
        return self.draft if self.witnessed.decision is Decision.KEEP else self.revised

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come yet that a person could read."""
        return not (self.draft or self.reflection)

    def _add(self, delta: TextDelta) -> None:
        match delta.stage:
            case Stage.DRAFT:
                self.draft += delta.text
            case Stage.WITNESS:
                if delta.field in self.told:
                    self.told[delta.field] += delta.text
            case Stage.REVISED:
                self.revised += delta.text


def told(scene: Scene) -> dict[Field, str]:
    """The texts of a scene by field, empty where it tells nothing."""
    return {Field.WHO: scene.who or "", Field.IMPACT: scene.impact or "", Field.RIPPLES: scene.ripples or ""}


def replay(reflection: Reflection) -> Iterator[Event]:
    """The events that tell a whole reflection, so that what came at once is shown as what streamed."""
    if reflection.draft:
        yield TextDelta(Stage.DRAFT, None, reflection.draft)
    if reflection.status is not Status.BYPASSED and reflection.witness is not None:
        yield from _replay_scene(reflection.witness)
        if reflection.decision is not None:
            yield Witnessed(
                reflection.witness, reflection.expected_weight, reflection.decision, reflection.revise_probability
            )
            if reflection.decision is Decision.REVISE:
                yield TextDelta(Stage.REVISED, None, reflection.answer)
    yield Completed(reflection)


def replay_witness(witness: Witness) -> Iterator[Event]:
    """The events that tell what was foreseen of an answer."""
    yield from _replay_scene(witness.scene)
    if witness.decision is not None:
        yield Witnessed(witness.scene, witness.expected_weight, witness.decision, witness.revise_probability)


def _replay_scene(scene: Scene) -> Iterator[Event]:
    for field, text in told(scene).items():
        if text:
            yield TextDelta(Stage.WITNESS, field, text)
