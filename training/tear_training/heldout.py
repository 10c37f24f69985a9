"""Held-out figures of a trained model, read off gold chains: losses by segment, and the two readings that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tear_chain.tokens import ChainTokens
from tear_training.adapter import ChainModel
from tear_training.examples import Example, collate
from tear_training.loss import KINDS, Objective, dual_loss, segment_counts, segment_sums, token_nll

_ROWS = 32


def held_out(
    model: ChainModel, examples: Sequence[Example], tokens: ChainTokens, *, objective: Objective
) -> Mapping[str, float]:
    """Losses by segment, and how often weight and decision are read rightly, all on the gold text before them.

    Sums and counts are added up over all examples before they are divided.
    """
    model.eval()
    head = model.head.cpu()
    sums, counts = torch.zeros(len(KINDS), dtype=torch.float64), torch.zeros(len(KINDS), dtype=torch.long)
    weights, decisions = _Tally(), _Tally()
    weight_ids = torch.tensor(list(tokens.weights.values()))
    signs = torch.tensor(list(tokens.weights.keys())).sign()
    decision_ids = torch.tensor(list(tokens.decisions.values()))
    ordered = sorted(examples, key=lambda example: len(example.tokens))
    with torch.no_grad():
        for start in range(0, len(ordered), _ROWS):
            batch = collate(ordered[start : start + _ROWS], pad=tokens.end)
            learned = batch["kinds"] != 0
            # The rest is small and stays on the CPU, wherever the model is.
            hidden = model(batch["inputs"].to(model.head.device)).cpu()[learned]
            kinds, targets = batch["kinds"][learned], batch["targets"][learned]
            sums += segment_sums(token_nll(hidden, head, targets).double(), kinds)
            counts += segment_counts(kinds)
            for ids, tally, meaning in (
                (weight_ids, weights, signs),
                (decision_ids, decisions, torch.arange(len(decision_ids))),
            ):
                asked = torch.isin(targets, ids)
                read = (hidden[asked] @ head[ids].T).argmax(-1)
                gold = (targets[asked, None] == ids).long().argmax(-1)
                tally.add(meaning[read] == meaning[gold])
    loss = dual_loss(sums, counts, objective, lambda_=1.0)
    found = {
        f"nll_{kind}": (sums[place] / counts[place]).item() for place, kind in enumerate(KINDS) if counts[place] > 0
    }
    found |= {"nll_response": loss.response.item(), "nll_consequence": loss.consequence.item()}
    if weights.asked:
        found["weight_sign_given_scene"] = weights.right / weights.asked
    if decisions.asked:
        found["decision_given_scene"] = decisions.right / decisions.asked
    return found


class _Tally:
    """Right readings among those asked for."""

    def __init__(self) -> None:
        self.right = 0
        self.asked = 0

    def add(self, right: Tensor) -> None:
        self.right += int(right.sum())
        self.asked += len(right)
