"""The state of a run on disk: checkpoints that are whole if they are there at all, and how one is taken up again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Trainer, TrainerState
from transformers.trainer_utils import get_last_checkpoint, rotate_checkpoints

from tear_chain.artifact import Card, read_card, write_card
from tear_chain.errors import AdapterError
from tear_chain.manifest import EFFECTIVE_CONFIG, WEIGHTS_FILE, DataSource, PassRecord
from tear_training import ranks
from tear_training.config import FREE, Pass, TrainConfig, load_config

CHECKPOINTS = "checkpoints"
"""The folder of all this beside the adapter; a run that has come to its end removes it."""
RUN_FILE = "run.json"
_STATE_FILE = "trainer_state.json"
_ASIDE = "unfinished"


class RunCard(Card):
    """What a run learns from, beside its configuration: taken up on anything else it would be another run."""

    base_fingerprint: str
    data: tuple[DataSource, ...]


def begin(out: Path, run: RunCard) -> None:
    """Note what a new run learns from; its folder of checkpoints begins with that."""
    (out / CHECKPOINTS).mkdir()
    write_card(out / CHECKPOINTS / RUN_FILE, run)


def check_same(out: Path, config: TrainConfig, run: RunCard) -> None:
    """Raise `AdapterError` unless the run in `out` was begun with this configuration, base and data."""
    before = load_config(out / EFFECTIVE_CONFIG)
    begun = read_card(out / CHECKPOINTS / RUN_FILE, RunCard, AdapterError)
    held = set(TrainConfig.model_fields) - set(FREE)
    odd = sorted(name for name in held if getattr(before, name) != getattr(config, name))
    odd += [name for name in RunCard.model_fields if getattr(begun, name) != getattr(run, name)]
    if odd:
        raise AdapterError(f"The run in {out} was begun with another {', '.join(odd)}; --force begins anew.")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run's state after a step of a pass: adapter, optimizer, schedule and random numbers."""

    folder: Path
    state: TrainerState

    @property
    def ends_pass(self) -> bool:
        """Whether the pass was over with it, by its last step or by its patience."""
        # What Trainer reads back from its file are dictionaries, whatever its annotation says.
        states = cast(Mapping[str, Any], self.state.stateful_callbacks)
        return bool(states["TrainerControl"]["args"]["should_training_stop"])


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """The last checkpoint of a pass, if it has one."""
    found = get_last_checkpoint(str(folder)) if folder.is_dir() else None  # type: ignore[no-untyped-call]
    if found is None:
        return None
    return Checkpoint(Path(found), TrainerState.load_from_json(str(Path(found, _STATE_FILE))))


def load_weights(peft: PeftModel, checkpoint: Path) -> None:
    """Give the adapter the weights of a checkpoint."""
    set_peft_model_state_dict(peft, load_file(checkpoint / WEIGHTS_FILE))


def close_pass(pass_: Pass, config: TrainConfig, peft: PeftModel, *, folder: Path) -> PassRecord:
    """Give the adapter the weights with which a pass that is over goes on, its best or its last, and say which."""
    last = last_checkpoint(folder)
    assert last is not None, "a pass ends with a checkpoint"
    kept = last.state.best_global_step if config.evaluation.keep_best else None
    load_weights(peft, folder / f"checkpoint-{kept or last.state.global_step}")
    return PassRecord(
        name=pass_.name,
        steps=last.state.global_step,
        learning_rate=pass_.learning_rate,
        lambda_start=pass_.lambda_.start,
        lambda_end=pass_.lambda_.end,
        kept_step=kept,
        kept_nll_consequence=last.state.best_metric if kept else None,
    )


class CheckpointingTrainer(Trainer):
    """Trainer with checkpoints of an adapter alone, written aside and renamed once all of their files are there."""

    _is_saving = False

    def _get_output_dir(self, trial: object) -> str:
        folder = Path(str(self.args.output_dir))
        return str(folder / _ASIDE if self._is_saving else folder)

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        folder, name = Path(str(self.args.output_dir)), f"checkpoint-{self.state.global_step}"
        aside = folder / _ASIDE
        if self.args.should_save:
            shutil.rmtree(aside, ignore_errors=True)
        ranks.wait_for_all()
        limit, self.args.save_total_limit, self._is_saving = self.args.save_total_limit, None, True
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit, self._is_saving = limit, False
        ranks.wait_for_all()
        # Trainer remembers the best by its path, which has just changed; we find it by its step.
        self.state.best_model_checkpoint = None
        if self.args.should_save:
            self.state.save_to_json(str(aside / name / _STATE_FILE))
            (aside / name).rename(folder / name)
            aside.rmdir()
            best = self.state.best_global_step and str(folder / f"checkpoint-{self.state.best_global_step}")
            rotate_checkpoints(str(folder), save_total_limit=limit, best_model_checkpoint=best or None)
        ranks.wait_for_all()

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        self._adapter().save_pretrained(str(output_dir), save_embedding_layers=False)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_weights(self._adapter(), Path(resume_from_checkpoint))

    def _adapter(self) -> PeftModel:
        adapter = self.accelerator.unwrap_model(self.model).peft
        assert isinstance(adapter, PeftModel)
        return adapter
