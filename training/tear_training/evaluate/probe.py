"""D5: does the state after an answer's last token, before any marker, tell what the answer will do?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]
from sklearn.pipeline import Pipeline, make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from transformers import Ministral3ForCausalLM

from tear_chain.format import Ids, draft_prompt
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.items import Siblings

_FOLDS = 5
_INNER_FOLDS = 3
_STRENGTH = 0.1
"""Inverse of the ridge: states have more dimensions than a situation has answers."""
_AT_ONCE = 32

States = NDArray[np.float32]


class Inside(NamedTuple):
    """States after the last token of answers, and what is to be read from them."""

    states: States
    """(layers, answers, hidden)."""
    opens: NDArray[np.bool_]
    groups: NDArray[np.int_]
    """Which of the situations each answer belongs to."""


class Fold(NamedTuple):
    """One part of the cross-validation."""

    train: NDArray[np.int_]
    test: NDArray[np.int_]
    shares: tuple[float, ...]
    """What was read rightly from each layer within the training part."""

    @property
    def inner(self) -> int:
        """The layer that was read best, of those that a decoder layer hands on to another."""
        return 1 + int(np.argmax(self.shares[1:-1]))


class Readings(NamedTuple):
    """Which answers the probe read rightly (answers,), and which a probe on random labels did."""

    right: NDArray[np.bool_]
    control: NDArray[np.bool_]
    control_labels: NDArray[np.bool_]
    folds: tuple[Fold, ...]


def look_inside(model: Ministral3ForCausalLM, siblings: Sequence[Siblings], tokenizer: ChainTokenizer) -> Inside:
    """The states after all answers that leave a trace."""
    asked = [(place, answer) for place, each in enumerate(siblings) for answer in each.all if answer.gold.valence]
    texts = [(*draft_prompt(tokenizer.chain, answer.told.prompt), *answer.told.draft) for _, answer in asked]
    return Inside(
        last_states(model, texts),
        np.array([answer.gold.valence > 0 for _, answer in asked]),
        np.array([place for place, _ in asked]),
    )


def by_situation(readings: Readings, groups: NDArray[np.int_], *, situations: int) -> Columns:
    """`d5` and `d5_control`: does the answer open or close? NaN where no answer left a trace."""
    return {
        name: np.array(
            [right[groups == place].mean() if (groups == place).any() else np.nan for place in range(situations)]
        )
        for name, right in (("d5", readings.right), ("d5_control", readings.control))
    }


def last_states(model: Ministral3ForCausalLM, texts: Sequence[Ids]) -> States:
    """The state at each text's last token, in every layer: (layers, texts, hidden)."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    found: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        for start in range(0, len(order), _AT_ONCE):
            places = order[start : start + _AT_ONCE]
            inputs = torch.zeros((len(places), max(len(texts[place]) for place in places)), dtype=torch.long)
            for row, place in enumerate(places):
                inputs[row, : len(texts[place])] = torch.tensor(texts[place])
            layers = model.model(
                input_ids=inputs.to(model.device), use_cache=False, output_hidden_states=True
            ).hidden_states
            for row, place in enumerate(places):
                found[place] = torch.stack([layer[row, len(texts[place]) - 1] for layer in layers]).float().cpu()
    stacked: States = torch.stack([found[place] for place in range(len(texts))], dim=1).numpy()
    return stacked


def probe(states: States, labels: NDArray[np.bool_], groups: NDArray[np.int_], *, seed: int) -> Readings:
    """Logistic regression by group-wise cross-validation: no situation is in both parts.

    The layer is chosen within the training part of each fold. The control reads labels drawn at random for each
    situation from the same layer: what it gets right comes from the probe, not from the states.
    """
    # As many of one label as of the other, so that no part can be without one of them.
    drawn = np.random.default_rng(seed).permutation(np.arange(groups.max() + 1) % 2 == 0)
    control_labels = drawn[groups]
    right, control = np.zeros(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    folds = []
    for train, test in GroupKFold(_FOLDS).split(groups, groups=groups):
        shares = _by_layer(states[:, train], labels[train], groups[train])
        folds.append(Fold(train, test, shares))
        layer = states[int(np.argmax(shares))]
        for found, asked in ((right, labels), (control, control_labels)):
            found[test] = regression().fit(layer[train], asked[train]).predict(layer[test]) == asked[test]
    return Readings(right, control, control_labels, tuple(folds))


def regression() -> Pipeline:
    """What reads states: they are standardized first."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=1000))


def _by_layer(states: States, labels: NDArray[np.bool_], groups: NDArray[np.int_]) -> tuple[float, ...]:
    """What share of the answers is read rightly from each layer."""
    folds = list(GroupKFold(_INNER_FOLDS).split(groups, groups=groups))
    return tuple(
        float(np.mean([regression().fit(layer[a], labels[a]).score(layer[b], labels[b]) for a, b in folds]))
        for layer in states
    )
