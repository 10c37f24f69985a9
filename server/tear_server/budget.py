"""How many tokens each stage may take, the answer's reserved first."""

from __future__ import annotations

from dataclasses import dataclass

from tear_chain.errors import ContextOverflow, InvalidRequest

MIN_ANSWER = 16
"""Below this many tokens for an answer a request is refused."""
MIN_WITNESS = 48
"""A scene shorter than this is cut more often than told; with less room the reflection is left out."""
REFLECTED_ANSWER = 48
"""When a caller's limit leaves less than this for the answer, the reflection is left out in its favour."""
MARKERS = 4
"""Control tokens that the chain adds to what the stages generate."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator grants a reflection, in tokens."""

    context: int
    """The whole window: prompt, draft, witness and revision."""
    answer: int = 512
    """The answer, where the caller sets no limit."""
    witness: int = 256


@dataclass(frozen=True, slots=True)
class Caps:
    """What a caller takes from that, in tokens; None takes what is granted."""

    draft: int | None = None
    witness: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What the stages of one reflection may generate."""

    total: int
    """All stages together."""
    answer: int
    """The answer at most; what the draft and witness leave of `total` may be less."""
    draft: int
    witness: int
    """0: there is no room to reflect; the draft is the answer. Never so for a draft that the caller supplies."""

    def revised(self, *, draft: int, witness: int) -> int:
        """What is left for the revision after `draft` and `witness` tokens; never less than the draft's share."""
        return min(self.answer, self.total - draft - witness)


def plan_budget(
    prompt_tokens: int,
    *,
    requested: int | None,
    draft_tokens: int | None,
    limits: Limits,
    bypass: bool = False,
    caps: Caps | None = None,
) -> Budget:
    """Share out `requested` tokens (the caller's limit on all that is generated) or, if None, the defaults.

    `draft_tokens` is the length of a draft that the caller supplies; it takes room but is not generated. `bypass`
    gives all to the answer; `caps` then mean nothing. Raises `ContextOverflow` when not even a short answer fits, or
    the witness that a supplied draft is there for, and `InvalidRequest` for a cap above what is granted.
    """
    caps = caps or Caps()
    most_drafted = max(limits.answer, requested or 0)
    for name, cap, most in (
        ("max_draft_tokens", caps.draft, most_drafted),
        ("max_witness_tokens", caps.witness, limits.witness),
    ):
        if cap is not None and cap > most:
            raise InvalidRequest(f"{name} is {cap}, expected at most {most}: no more is granted here.", param=name)
    witness_tokens = limits.witness if caps.witness is None else caps.witness
    room = limits.context - prompt_tokens - MARKERS - (draft_tokens or 0)
    least = MIN_ANSWER if draft_tokens is None else MIN_WITNESS + MIN_ANSWER
    if room < least:
        raise ContextOverflow(
            # OpenAI's own beginning: LiteLLM and others know this error by it, and try a model with a longer context.
            f"This model's maximum context length is {limits.context} tokens. The conversation takes "
            f"{prompt_tokens + (draft_tokens or 0)}, which leaves fewer than {least} for an answer.",
            param="messages",
        )
    answer = limits.answer if requested is None else room
    if bypass:
        whole = min(room, limits.answer if requested is None else requested)
        return Budget(total=whole, answer=whole, draft=whole, witness=0)
    if draft_tokens is not None:
        total = min(room, limits.answer + limits.witness if requested is None else requested)
        if total < least:
            raise InvalidRequest(
                f"max_completion_tokens is {requested}, expected at least {least}: a draft can only be reflected on.",
                param="max_completion_tokens",
            )
        return Budget(total=total, answer=answer, draft=0, witness=min(witness_tokens, total - MIN_ANSWER))
    total = min(room, 2 * limits.answer + witness_tokens if requested is None else requested)
    for witness in (witness_tokens, MIN_WITNESS):
        share = (total - witness) // 2
        if share >= REFLECTED_ANSWER:
            draft = share if caps.draft is None else min(share, caps.draft)
            return Budget(total=total, answer=answer, draft=draft, witness=witness)
    whole = min(total, answer)
    return Budget(total=whole, answer=whole, draft=whole, witness=0)
