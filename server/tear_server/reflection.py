"""Draft → witness → keep | revise: the chain as a stream of events, read from top to bottom.

Each stage is one engine request whose prompt extends the one before token for token, so that the engine's
prefix cache answers all but the newest tokens. All stages use one adapter, since that cache is kept by adapter.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from tear_chain.conversation import Conversation
from tear_chain.errors import InvalidRequest
from tear_chain.events import Completed, Event, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.format import draft_prompt, revised_prompt, witness_prompt
from tear_chain.parser import WitnessParser
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import CUTS, Decision, Outcome, Problem, Reflection, Scene, Stage, StageReport, Status
from tear_server.budget import Budget, Limits, plan_budget
from tear_server.engine import Chunk, Engine, Finish, Generation, Sampling
from tear_server.stops import StopMatcher

_MISSING = frozenset({Problem.MISSING_WHO, Problem.MISSING_IMPACT, Problem.MISSING_RIPPLES, Problem.MISSING_WEIGHT})


@dataclass(frozen=True, slots=True)
class ReflectionRequest:
    """What one reflection is asked for."""

    id: str
    model: str
    conversation: Conversation
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    """Limit on all generated tokens together; None takes the operator's limits."""
    draft: str | None = None
    """A draft that the caller brings; it is witnessed instead of one of the model's own."""
    bypass: bool = False
    """Answer without reflecting."""
    revise_threshold: float | None = None
    """Revise from this probability on; None follows the model's own choice."""
    stops: tuple[str, ...] = ()
    """Strings that end the draft and the answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request made ready: encoded and with its tokens shared out. Nothing has been generated."""

    request: ReflectionRequest
    prompt: tuple[int, ...]
    draft: tuple[int, ...] | None
    budget: Budget

    @property
    def reflects(self) -> bool:
        """Whether the chain goes on after the draft."""
        return not self.request.bypass and self.budget.witness > 0


class Reflector:
    """Runs the chain for one base and adapter on one engine."""

    def __init__(self, engine: Engine, tokenizer: ChainTokenizer, *, adapter: str | None, limits: Limits) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._adapter = adapter
        self._limits = limits

    def plan(self, request: ReflectionRequest) -> Plan:
        """Encode and budget a request; raise a `RequestError` before anything is generated."""
        if request.bypass and request.draft is not None:
            raise InvalidRequest(
                "A draft can only be reflected on. Leave draft out or ask for the reflective model.", param="draft"
            )
        prompt = self._tokenizer.encode_conversation(request.conversation)
        draft = None if request.draft is None else self._tokenizer.encode(request.draft)
        if request.draft is not None and not request.draft.strip():
            raise InvalidRequest("draft has no text. Leave it out or write something.", param="draft")
        limits = self._limits
        if request.bypass:
            limits = Limits(context=limits.context, answer=limits.answer, witness=0)
        budget = plan_budget(
            len(prompt),
            requested=request.max_tokens,
            draft_tokens=None if draft is None else len(draft),
            limits=limits,
        )
        if request.bypass:
            whole = budget.total if request.max_tokens is not None else min(budget.total, limits.answer)
            budget = Budget(total=whole, draft=whole, witness=0)
        return Plan(request, prompt, draft, budget)

    async def reflect(self, plan: Plan) -> AsyncGenerator[Event, None]:
        """Run the chain. The last event is `Completed`; closing the iterator aborts the engine's work."""
        request, tokens, budget = plan.request, self._tokenizer.chain, plan.budget
        problems: list[Problem] = []
        reports: list[StageReport] = []

        # 1. Draft
        draft = _TextStage(Stage.DRAFT, self._tokenizer, expected_end=tokens.witness, stops=request.stops)
        if plan.draft is None:
            generation = self._generation(plan, Stage.DRAFT, draft_prompt(tokens, plan.prompt), budget.draft)
            async with aclosing(draft.run(self._engine, generation)) as events:
                async for event in events:
                    yield event
        else:
            draft.supply(request.draft or "", plan.draft)
            yield StageCompleted(draft.report, draft.text)
        problems += draft.problems
        reports.append(draft.report)
        if not plan.reflects:
            yield Completed(_bypassed(plan, draft, problems, adapter=self._adapter))
            return

        # 2. Witness
        witness = _WitnessStage(self._tokenizer)
        prompt = witness_prompt(tokens, plan.prompt, draft.ids)
        generation = self._generation(plan, Stage.WITNESS, prompt, budget.witness, watch=witness.watch)
        async with aclosing(witness.run(self._engine, generation)) as events:
            async for event in events:
                yield event
        problems += witness.problems
        reports.append(witness.report)

        # 3. Keep or revise. A witness without a decision keeps the draft: nothing was foreseen against it.
        # A draft without a word is no answer, whatever was foreseen.
        decision = witness.decide(request.revise_threshold) if draft.text.strip() else Decision.REVISE
        yield Witnessed(witness.scene, witness.expected_weight, decision, witness.revise_probability)
        answer = draft
        if decision is Decision.REVISE:
            # 4. Revision
            revised = _TextStage(Stage.REVISED, self._tokenizer, expected_end=tokens.end, stops=request.stops)
            prompt = revised_prompt(tokens, plan.prompt, draft.ids, witness.ids)
            left = budget.revised(draft=draft.report.tokens, witness=witness.report.tokens)
            generation = self._generation(plan, Stage.REVISED, prompt, left)
            async with aclosing(revised.run(self._engine, generation)) as events:
                async for event in events:
                    yield event
            problems += revised.problems
            reports.append(revised.report)
            if revised.text.strip():
                answer = revised
            else:
                problems.append(Problem.EMPTY_REVISION)

        status = _status(problems)
        revised_it = decision is Decision.REVISE
        yield Completed(
            Reflection(
                id=request.id,
                model=request.model,
                adapter=self._adapter,
                status=status,
                outcome=_outcome(status, revised=revised_it),
                problems=tuple(dict.fromkeys(problems)),
                draft=draft.text,
                witness=witness.scene,
                expected_weight=witness.expected_weight,
                decision=decision,
                revise_probability=witness.revise_probability,
                answer=answer.text,
                answer_cut=answer.cut,
                stages=tuple(reports),
            )
        )

    def _generation(
        self, plan: Plan, stage: Stage, prompt: tuple[int, ...], max_tokens: int, *, watch: tuple[int, ...] = ()
    ) -> Generation:
        tokens, control = self._tokenizer.chain, self._tokenizer.control_ids
        if stage is Stage.WITNESS:
            # Whatever control token does not belong to a scene ends it: the decision, or a stray one.
            stop_ids = control - set(tokens.fields.values()) - set(tokens.weights.values())
        else:
            stop_ids = control
        return Generation(
            id=f"{plan.request.id}-{stage}",
            prompt=prompt,
            max_tokens=max_tokens,
            min_tokens=1,
            stop_ids=stop_ids,
            sampling=plan.request.sampling,
            adapter=self._adapter,
            watch=watch,
        )


class _Meter:
    """Shown every chunk of a stage, it knows what the stage took; its clock starts when the engine is asked."""

    def __init__(self, stage: Stage, generation: Generation) -> None:
        self._stage = stage
        self._prompt_tokens = len(generation.prompt)
        self._tokens = 0
        self._cached_tokens = 0
        self._first: float | None = None
        self._seconds = 0.0
        self.at_limit = False
        """Whether the token limit ended the generation."""
        self._asked = time.monotonic()

    def see(self, chunk: Chunk) -> None:
        """Count a chunk that has just come."""
        self._seconds = time.monotonic() - self._asked
        if self._first is None:
            self._first = self._seconds
        self._tokens += len(chunk.tokens)
        self._cached_tokens = chunk.cached_tokens
        self.at_limit = chunk.finish is Finish.LENGTH

    def report(self, *, cut: bool) -> StageReport:
        """The whole stage."""
        return StageReport(
            stage=self._stage,
            tokens=self._tokens,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            first_token_seconds=self._first,
            seconds=self._seconds,
            finish="length" if cut else "stop",
        )


class _TextStage:
    """A stage that writes plain text: the draft or the revision. Its results stand once `run` has ended."""

    def __init__(self, stage: Stage, tokenizer: ChainTokenizer, *, expected_end: int, stops: Sequence[str]) -> None:
        self._stage = stage
        self._tokenizer = tokenizer
        self._expected_end = expected_end
        self._stops = StopMatcher(stops)
        self.text = ""
        self.ids: tuple[int, ...] = ()
        """The text's tokens: what the next stage's prompt repeats."""
        self.cut = False
        self.problems: list[Problem] = []
        self.report: StageReport

    def supply(self, text: str, ids: tuple[int, ...]) -> None:
        """Take a text that the caller brought."""
        self.text, self.ids = text, ids
        self.report = StageReport(self._stage, 0, 0, 0, None, 0.0, "supplied")

    async def run(self, engine: Engine, generation: Generation) -> AsyncGenerator[Event, None]:
        """Generate, handing on text as it comes."""
        yield StageStarted(self._stage)
        decoder, ids, parts = self._tokenizer.decoder(), list[int](), list[str]()
        meter, end = _Meter(self._stage, generation), None
        async with aclosing(engine.generate(generation)) as chunks:
            async for chunk in chunks:
                meter.see(chunk)
                fresh = ""
                for token in chunk.tokens:
                    if token in generation.stop_ids:
                        end = token
                    else:
                        ids.append(token)
                        fresh += decoder.feed(token)
                if chunk.finish is None or self._stops.stopped:
                    fresh = self._stops.feed(fresh)
                else:
                    fresh = self._stops.feed(fresh) + self._stops.flush()
                if fresh:
                    parts.append(fresh)
                    yield TextDelta(self._stage, None, fresh)
                if self._stops.stopped:
                    break
        self.text = "".join(parts)
        self.ids = self._tokenizer.encode(self.text) if self._stops.stopped else tuple(ids)
        self.cut = meter.at_limit and not self._stops.stopped
        if self.cut:
            self.problems.append(Problem.CUT_DRAFT if self._stage is Stage.DRAFT else Problem.CUT_REVISION)
        elif end != self._expected_end and not self._stops.stopped:
            self.problems.append(Problem.STRAY_TOKEN)
        if self._stage is Stage.DRAFT and not self.text.strip():
            self.problems.append(Problem.EMPTY_DRAFT)
        self.report = meter.report(cut=self.cut)
        yield StageCompleted(self.report, self.text)


class _WitnessStage:
    """The stage that foresees the consequence. Its results stand once `run` has ended."""

    def __init__(self, tokenizer: ChainTokenizer) -> None:
        tokens = tokenizer.chain
        self._weights, self._decisions = tokens.weights, tokens.decisions
        self.watch = (*tokens.weights.values(), *tokens.decisions.values())
        self._parser = WitnessParser(tokens, control_ids=tokenizer.control_ids, new_decoder=tokenizer.decoder)
        self.ids: tuple[int, ...] = ()
        """The scene's tokens, without the decision."""
        self.scene = Scene()
        self.expected_weight: float | None = None
        self.revise_probability: float | None = None
        self.problems: list[Problem] = []
        self.report: StageReport

    async def run(self, engine: Engine, generation: Generation) -> AsyncGenerator[Event, None]:
        """Generate, handing on the scene's text as it comes."""
        yield StageStarted(Stage.WITNESS)
        parser, ids, meter = self._parser, list[int](), _Meter(Stage.WITNESS, generation)
        async with aclosing(engine.generate(generation)) as chunks:
            async for chunk in chunks:
                meter.see(chunk)
                for token, watched in zip(chunk.tokens, chunk.watched, strict=True):
                    had_weight = parser.weight is not None
                    new = parser.feed(token)
                    if token not in generation.stop_ids:
                        ids.append(token)
                    if parser.weight is not None and not had_weight:
                        self.expected_weight = _mean(self._weights, watched)
                    if parser.decision is not None:
                        self.revise_probability = _share(self._decisions, Decision.REVISE, watched)
                    if new is not None:
                        yield TextDelta(Stage.WITNESS, new.field, new.text)
        self.ids = tuple(ids)
        self.scene = parser.finish(cut=meter.at_limit)
        self.problems = parser.problems
        self.report = meter.report(cut=meter.at_limit)
        yield StageCompleted(self.report, "")

    def decide(self, threshold: float | None) -> Decision:
        """The model's decision, or the operator's by `threshold` on its probability; `keep` if there is none."""
        if threshold is not None and self.revise_probability is not None:
            return Decision.REVISE if self.revise_probability >= threshold else Decision.KEEP
        return self._parser.decision or Decision.KEEP


def _mean(ids: Mapping[int, int], logprobs: Mapping[int, float]) -> float:
    """Expected weight over the weights' share of the distribution."""
    shares = {weight: math.exp(logprobs[token]) for weight, token in ids.items()}
    return sum(weight * share for weight, share in shares.items()) / sum(shares.values())


def _share(ids: Mapping[Decision, int], wanted: Decision, logprobs: Mapping[int, float]) -> float:
    """Probability of `wanted` among the decisions alone."""
    shares = {decision: math.exp(logprobs[token]) for decision, token in ids.items()}
    return shares[wanted] / sum(shares.values())


def _status(problems: Sequence[Problem]) -> Status:
    if not problems:
        return Status.COMPLETE
    # A cut witness lacks its last fields, too; that is a cut, not a malformed scene.
    by_cuts = CUTS | _MISSING if Problem.CUT_WITNESS in problems else CUTS
    return Status.TRUNCATED if by_cuts.issuperset(problems) else Status.MALFORMED


def _outcome(status: Status, *, revised: bool) -> Outcome:
    match status:
        case Status.COMPLETE:
            return Outcome.REVISED if revised else Outcome.KEPT
        case Status.MALFORMED:
            return Outcome.MALFORMED
        case Status.TRUNCATED:
            return Outcome.TRUNCATED
        case Status.BYPASSED:
            return Outcome.BYPASSED


def _bypassed(plan: Plan, draft: _TextStage, problems: Sequence[Problem], *, adapter: str | None) -> Reflection:
    return Reflection(
        id=plan.request.id,
        model=plan.request.model,
        adapter=adapter,
        status=Status.BYPASSED,
        outcome=Outcome.BYPASSED,
        problems=tuple(problems),
        draft=draft.text,
        witness=None,
        expected_weight=None,
        decision=None,
        revise_probability=None,
        answer=draft.text,
        answer_cut=draft.cut,
        stages=(draft.report,),
    )
