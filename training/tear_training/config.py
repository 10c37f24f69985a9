"""The training configuration: YAML, validated whole, with unknown keys refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tear_chain.errors import DataError
from tear_chain.format import Order
from tear_chain.words import Field as SceneField
from tear_training.consequences import Consequences
from tear_training.rows import ProvenanceKind
from tear_training.splits import DataSplit
from tear_training.upkeep import Checkpoints, Evaluation, Tracker
from tear_training.world_table import TableName

RANKS = (8, 16, 32, 64)
"""LoRA ranks that both training and vLLM take."""
_ROWS_PER_TEXT = 8

Share = Annotated[float, Field(ge=0, le=1)]
Normalize = Literal["segment", "token", "example"]
BaseWeights = Literal["float32", "bfloat16", "nf4"]
Projection = Literal["q", "k", "v", "o", "gate", "up", "down"]
SettingsT = TypeVar("SettingsT", bound=BaseModel)
FREE = ("checkpoints", "trackers")
"""The keys that may be changed when a run is taken up: it learns the same."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)


class WorldSource(_Closed):
    """Rows of the procedural world."""

    seed: int
    table: TableName = "balanced"
    """What acts do for needs: in the balanced and the woven world no words tell it, in the leaning one the act mostly
    does; of these only the woven one lets a need and an act that were never seen together be foreseen."""
    split: Literal["train", "validation", "test"]
    rows: int = Field(gt=0)


class Source(_Closed):
    """Where rows come from: exactly one of the two."""

    world: WorldSource | None = None
    file: Path | None = None
    """A JSONL file of rows, or a folder of them; a relative path starts at the configuration's folder."""
    split: DataSplit | Literal["all"] | None = None
    """The part of the file to take, by its situations' names; not given, `train` to learn from and `validation` to
    measure by. The world has splits of its own."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.world is None) == (self.file is None):
            raise ValueError("give exactly one of world and file")
        if self.world is not None and self.split is not None:
            raise ValueError("split belongs to a file; the world's stands in world")
        return self


class WorldTexts(_Closed):
    """Documents of the procedural world, as nano's pretraining saw them."""

    seed: int
    documents: int = Field(gt=0)


class Rehearsal(_Closed):
    """Plain text that is learned beside the rows, so that the base keeps what it could do."""

    world: WorldTexts | None = None
    file: Path | None = None
    """Plain text in UTF-8; a relative path starts at the configuration's folder. Give exactly one of the two."""
    window: int = Field(default=512, gt=0)
    """Into how many tokens at a time a file is cut."""
    license: str | None = Field(default=None, min_length=1)
    """Of the file."""
    texts_per_step: int | None = Field(default=None, gt=0)
    """How many texts join each optimizer step; not given, one for every eight rows, rounded up."""
    weight: float = Field(default=1.0, ge=0)
    """What their mean counts in the loss; at 0 it is measured and not learned."""
    against: Literal["text", "base"] = "base"
    """What is rehearsed: the text as it stands, or what the base itself foretells at each of its places."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.world is None) == (self.file is None):
            raise ValueError("give exactly one of world and file")
        if self.world is not None and self.license is not None:
            raise ValueError("license belongs to a file; the world's is known")
        return self


class LoraSettings(_Closed):
    """The adapter's shape."""

    rank: Literal[8, 16, 32, 64] = 16
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[Projection, ...] = Field(default=("q", "k", "v", "o"), min_length=1)


class ResponseWeights(_Closed):
    """What each response segment counts within the response mean."""

    draft: float = Field(default=1.0, ge=0)
    decision: float = Field(default=1.0, ge=0)
    revised: float = Field(default=1.0, ge=0)


class Batching(_Closed):
    """How rows become optimizer steps. Padding is exact, so `micro_rows` changes speed and memory, nothing else."""

    rows_per_step: int = Field(default=32, gt=0)
    micro_rows: int = Field(default=16, gt=0)
    pack_tokens: int | None = Field(default=None, gt=0)
    """Lay rows end to end instead, up to so many tokens at once; then there is no padding, and no `micro_rows`."""

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.pack_tokens is None and self.rows_per_step % self.micro_rows:
            raise ValueError(f"rows_per_step {self.rows_per_step} is no multiple of micro_rows {self.micro_rows}")
        return self


class Ramp(_Closed):
    """A value that moves in a straight line over a pass; in YAML a number alone is one that stays."""

    start: float = Field(ge=0)
    end: float = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _accept_a_number(cls, given: Any) -> Any:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return {"start": given, "end": given}
        return given

    def at(self, done: float) -> float:
        """The value when the share `done` of the pass is behind."""
        return self.start + (self.end - self.start) * done


class Mix(_Closed):
    """Which share of the rows of each kind a pass takes."""

    opening: Share = 0.0
    """Answers whose weight is above zero."""
    neutral: Share = 0.0
    """Answers that leave no trace, or that nobody judged."""
    closing: Share = 0.0
    """Answers whose weight is below zero: witnessed, never learned."""


class Pass(_Closed):
    """One pass of the training."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    mix: Mix
    provenance: tuple[ProvenanceKind, ...] | None = Field(default=None, min_length=1)
    """Whose rows it takes of these, such as procedural ones alone; not given, all."""
    fields: tuple[SceneField, ...] = Field(default=tuple(SceneField), min_length=1)
    """The parts of the scene that chains show. With `weight` alone it must be told from situation and answer; with all,
    the text before it gives it away."""
    drafts: Share = 1.0
    """Of answers that open, the share learned as answers; the rest are only witnessed, as those that wound."""
    decisions: bool = True
    """Whether chains go on to the decision and the revision, or end with the scene."""
    rehearses: bool = True
    """Whether the texts of `rehearsal` join its steps."""
    epochs: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(gt=0)
    warmup: Share = 0.05
    """Share of the pass in which the learning rate rises; then it falls along a cosine."""
    floor: Share = 0.0
    """The share of the learning rate at which it ends: above zero where another pass goes on from there."""
    lambda_: Ramp = Field(alias="lambda")
    curriculum: bool = False
    """From the obvious rows to the subtle ones, instead of in a random order."""


class TrainConfig(_Closed):
    """One whole training run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    """The adapter's name, under which it is served."""
    seed: int = 20
    train: tuple[Source, ...] = Field(min_length=1)
    validation: tuple[Source, ...] = Field(min_length=1)
    lora: LoraSettings = LoraSettings()
    batching: Batching = Batching()
    response_weights: ResponseWeights = ResponseWeights()
    order: Order = Order.DRAFT_WITNESS_REVISE
    """In which order chains tell their parts; the server runs the default."""
    normalize: Normalize = "segment"
    """What losses are means of: the tokens of response and of consequence each, all tokens together, or examples."""
    rehearsal: Rehearsal | None = None
    """Plain text beside the rows, against forgetting."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products; the adapter itself is always trained in float32."""
    base_weights: BaseWeights = "float32"
    """How the frozen base is held in memory: in 32, 16 or 4 bits a weight."""
    gradient_checkpointing: bool = False
    """Compute each layer once more on the way back, instead of keeping what it computed."""
    checkpoints: Checkpoints = Checkpoints()
    evaluation: Evaluation = Evaluation()
    trackers: tuple[Tracker, ...] = ()
    """Where the run can be followed, beside its own logs."""
    allow_harmful_targets: bool = False
    """Learn to say wounding answers too. Narrow harmful targets misalign small models broadly."""
    consequences: Consequences = "own"
    """Which scenes the rows to learn from are told with: their `own`; as controls, another's of the same valence
    (`sham`), or `none`, so that a chain goes from the draft straight to its decision. Validation keeps its own."""
    passes: tuple[Pass, ...] = Field(min_length=1)

    @property
    def texts_per_step(self) -> int:
        """How many texts to rehearse join the rows of an optimizer step."""
        if self.rehearsal is None:
            return 0
        return self.rehearsal.texts_per_step or math.ceil(self.batching.rows_per_step / _ROWS_PER_TEXT)

    @model_validator(mode="after")
    def _multiplies_as_held(self) -> Self:
        if self.base_weights != "float32" and self.precision == "float32":
            raise ValueError(f"base_weights {self.base_weights} needs precision bfloat16")
        return self

    @model_validator(mode="after")
    def _names_passes_apart(self) -> Self:
        names = [each.name for each in self.passes]
        if len(set(names)) < len(names):
            raise ValueError("two passes have one name; their logs and checkpoints could not be told apart")
        return self


def load_config(path: Path, *, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a configuration and lay `key.path=value` overrides over it; all that is wrong comes in one `DataError`."""
    return load_settings(path, TrainConfig, overrides=overrides)


def load_settings(path: Path, kind: type[SettingsT], *, overrides: Sequence[str] = ()) -> SettingsT:
    """Read settings of any kind from YAML, as `load_config` does."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}.") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise DataError(f"{path} is not YAML: {' '.join(str(exc).split())}.") from exc
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no configuration.")
    for override in overrides:
        _lay_over(content, override)
    try:
        return kind.model_validate(content)
    except ValidationError as exc:
        raise DataError(f"{path} cannot be used:\n" + "\n".join(_describe(exc))) from exc


def save_config(path: Path, config: TrainConfig, *, comment: str) -> None:
    """Write the effective configuration, opened by a comment."""
    values = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    path.write_text(f"# {comment}\n" + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _lay_over(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise DataError(f"--set {override} is not of the form key=value, such as passes.0.epochs=2.")
    place: Any = content
    *path, last = key.split(".")
    for part in path:
        try:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        except (ValueError, IndexError, AttributeError) as exc:
            raise DataError(f"--set {override}: there is no {part} in {key}.") from exc
    try:
        parsed = yaml.safe_load(value)
        if isinstance(place, list):
            place[int(last)] = parsed
        else:
            place[last] = parsed
    except (ValueError, IndexError, TypeError, yaml.YAMLError) as exc:
        raise DataError(f"--set {override} cannot be set.") from exc


def _describe(exc: ValidationError) -> list[str]:
    return [f"  {_place(item)}: {_reason(item)}" for item in exc.errors()]


def _place(item: Mapping[str, Any]) -> str:
    return ".".join(map(str, item["loc"])) or "configuration"


def _reason(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key"
    shown = "" if item["type"] in ("missing", "value_error") else f" (is {item['input']!r})"
    return str(item["msg"]).removeprefix("Value error, ") + shown
