"""What the server answers with, besides reflections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from tear_chain.words import Decision, Problem, Scene, Status


class Reply(BaseModel):
    """An object of the API; keys that this version does not know are kept and do no harm."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ServedModel(Reply):
    """One model that the server offers."""

    id: str
    created: int = 0
    owned_by: str = ""
    reflects: bool | None = None
    """Whether it reflects; None from another server."""
    adapter: str | None = None
    cas: float | None = None
    """The adapter's consequence awareness score: 0 is chance, 1 perfect; None where it was not evaluated."""
    max_model_len: int | None = None
    """The context window in tokens."""


class Witness(Reply):
    """What an answer would do to the person who receives it."""

    scene: Scene
    expected_weight: float | None
    """Mean weight under the model's own distribution; the scene's is one draw."""
    decision: Decision | None
    """Advice: nothing was revised."""
    revise_probability: float | None
    status: Status
    problems: tuple[Problem, ...]
    """What the model left out of the scene; empty when nothing."""
    model: str
    adapter: str | None

    @property
    def weight(self) -> int | None:
        """The scene's weight, -3 … +3; None where the model gave none."""
        return self.scene.weight


class OutcomeReport(Reply):
    """What was reported to have come of an answer."""

    id: str
    text: str
    weight: int | None
    reported: datetime


class Health(Reply):
    """Whether a server is well, and what it says where it is not."""

    status: str
    """`ok`, or the code of what is wrong."""
    message: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it is well."""
        return self.status == "ok"


class BaseCard(Reply):
    """The base model behind the server."""

    name: str
    fingerprint: str


class AdapterCard(Reply):
    """An adapter, and what training measured of it."""

    name: str
    metrics: dict[str, Any]


class ServerVersion(Reply):
    """What runs there."""

    version: str
    format_version: int
    base: BaseCard
    adapter: AdapterCard


class LoadedAdapter(Reply):
    """One version of an adapter that the server holds."""

    id: str
    name: str
    rank: int
    models: tuple[str, ...]
    """The models that answer with it."""
    before_in: tuple[str, ...]
    """The models that a rollback would put it back in."""
    in_flight: int
    """Reflections planned or running with it."""
    metrics: dict[str, Any]


class ServedAdapter(Reply):
    """What a model answers with now, and what a rollback would put back."""

    model: str
    adapter: str
    before: str | None


class RemovedAdapter(Reply):
    """What was taken out: a model, or a version."""

    id: str
    object: str
