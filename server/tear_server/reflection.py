"""Draft → witness → keep | revise: the chain as a stream of events, read from top to bottom.

Each stage's prompt extends the one before token for token. So one engine request can write the whole chain; where it
must be cut, the next request finds all but its newest tokens in the engine's prefix cache. All stages use one adapter,
since that cache is kept by adapter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from tear_chain.conversation import Conversation
from tear_chain.errors import EngineLate, InvalidRequest
from tear_chain.events import Completed, Event, StageCompleted, Witnessed
from tear_chain.format import draft_prompt, revised_prompt, witness_prompt
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import CUTS, Decision, Field, Outcome, Problem, Reflection, Stage, StageReport, Status
from tear_server.budget import Budget, Caps, Limits, plan_budget
from tear_server.deadline import Deadlines
from tear_server.engine import Engine, Generation, Sampling
from tear_server.json_format import is_whole
from tear_server.relay import Course, Relay
from tear_server.sessions import session_of
from tear_server.stages import TextStage, WitnessStage

_MISSING = frozenset({Problem.MISSING_WHO, Problem.MISSING_IMPACT, Problem.MISSING_RIPPLES, Problem.MISSING_WEIGHT})


@dataclass(frozen=True, slots=True)
class ReflectionRequest:
    """What one reflection is asked for."""

    id: str
    model: str
    adapter: str
    """The version that all stages are written with, looked up once for all reflections of one request."""
    conversation: Conversation
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    """Limit on all generated tokens together; None takes the operator's limits."""
    draft: str | None = None
    """A draft that the caller brings; it is witnessed instead of one of the model's own."""
    bypass: bool = False
    """Answer without reflecting."""
    only_witness: bool = False
    """End with the decision: the consequence of `draft` is all that is wanted."""
    revise_threshold: float | None = None
    """Revise from this probability on; None follows the model's own choice."""
    stops: tuple[str, ...] = ()
    """Strings that end the draft and the answer."""
    session: str | None = None
    """What the caller calls the conversation; None goes by how it began."""
    caps: Caps = field(default_factory=Caps)
    top_logprobs: int | None = None
    """So many of the likeliest tokens are wanted at each token of the answer, with its own log-probability."""
    json_schema: str | None = None
    """The answer is to be JSON that fits it. A draft is free text all the same: the answer is then written anew."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Plan:
    """A request made ready: encoded and with its tokens shared out. Nothing has been generated.

    Each is one of its own, and may be held weakly: what is planned keeps its adapter loaded.
    """

    request: ReflectionRequest
    prompt: tuple[int, ...]
    draft: tuple[int, ...] | None
    budget: Budget
    trace: Mapping[str, str] | None = None
    """Headers that tell the engine of the span that its work belongs to."""

    @property
    def reflects(self) -> bool:
        """Whether the chain goes on after the draft."""
        return not self.request.bypass and self.budget.witness > 0

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the first prompt: the conversation, a draft that the caller brought, and the chain's markers."""
        return len(self.prompt) + 1 if self.draft is None else len(self.prompt) + len(self.draft) + 2


class Reflector:
    """Runs the chain for one base on one engine."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: ChainTokenizer,
        *,
        limits: Limits,
        deadlines: Deadlines | None = None,
        is_merged: bool = False,
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._limits = limits
        self._deadlines = deadlines or Deadlines()
        self._is_merged = is_merged
        """Whether the adapter is in the base's own weights, so that the engine knows it by no name."""

    def plan(self, request: ReflectionRequest) -> Plan:
        """Encode and budget a request; raise a `RequestError` before anything is generated."""
        if request.bypass and request.draft is not None:
            raise InvalidRequest(
                "A draft can only be reflected on. Leave draft out or ask for the reflective model.", param="draft"
            )
        if request.only_witness and request.draft is None:
            raise InvalidRequest("There is nothing to witness. Give an answer.", param="answer")
        prompt = self._tokenizer.encode_conversation(request.conversation)
        draft = None if request.draft is None else self._tokenizer.encode(request.draft)
        if request.draft is not None and not request.draft.strip():
            name = "answer" if request.only_witness else "draft"
            raise InvalidRequest(f"{name} has no text. Leave it out or write something.", param=name)
        budget = plan_budget(
            len(prompt),
            requested=request.max_tokens,
            draft_tokens=None if draft is None else len(draft),
            limits=self._limits,
            bypass=request.bypass,
            caps=request.caps,
        )
        return Plan(request, prompt, draft, budget)

    async def reflect(self, plan: Plan) -> AsyncGenerator[Event, None]:
        """Run the chain. The last event is `Completed`; closing the iterator aborts the engine's work.

        Raises `EngineLate` where a deadline leaves no word to answer with.
        """
        request, tokens, budget = plan.request, self._tokenizer.chain, plan.budget
        is_formatted = request.json_schema is not None
        last_end = tokens.end if is_formatted and not plan.reflects else tokens.witness
        problems: list[Problem] = []
        reports: list[StageReport] = []
        draft = self._text_stage(Stage.DRAFT, request, expected_end=last_end)
        witness = WitnessStage(self._tokenizer, self._deadlines)

        async with self._relay(plan, watch=witness.watch) as engine:
            # 1. Draft
            if plan.draft is None:
                generation = self._generation(plan, Stage.DRAFT, draft_prompt(tokens, plan.prompt), budget.draft)
                async with aclosing(draft.run(engine, generation)) as events:
                    async for event in events:
                        yield event
                if draft.late and not draft.text.strip():
                    raise self._late(Stage.DRAFT)
            else:
                draft.supply(request.draft or "", plan.draft)
                yield StageCompleted(draft.report, draft.text)
            problems += draft.problems
            reports.append(draft.report)
            if not plan.reflects:
                yield Completed(_bypassed(plan, draft, problems))
                return

            # 2. Witness
            prompt = witness_prompt(tokens, plan.prompt, draft.ids)
            generation = self._generation(plan, Stage.WITNESS, prompt, budget.witness, watch=witness.watch)
            async with aclosing(witness.run(engine, generation)) as events:
                async for event in events:
                    yield event
            problems += witness.problems
            reports.append(witness.report)

            # 3. Keep or revise. A witness without a decision keeps the draft: nothing was foreseen against it.
            # A draft without a word is no answer, whatever was foreseen.
            decision = witness.decide(request.revise_threshold) if draft.text.strip() else Decision.REVISE
            yield Witnessed(witness.scene, witness.expected_weight, decision, witness.revise_probability)
            answer = last = draft
            answer_stage = Stage.DRAFT
            if (decision is Decision.REVISE or is_formatted) and not request.only_witness:
                # 4. Revision; a draft to keep is said again in the format that was asked for.
                revised = self._text_stage(Stage.REVISED, request, expected_end=tokens.end)
                prompt = revised_prompt(tokens, plan.prompt, draft.ids, witness.ids)
                left = budget.revised(draft=draft.report.tokens, witness=witness.report.tokens)
                generation = self._generation(plan, Stage.REVISED, prompt, left)
                async with aclosing(revised.run(engine, generation)) as events:
                    async for event in events:
                        yield event
                problems += revised.problems
                reports.append(revised.report)
                last = revised
                if revised.text.strip():
                    answer, answer_stage = revised, Stage.REVISED
                elif not revised.late:
                    problems.append(Problem.EMPTY_REVISION)
                elif not draft.text.strip():
                    raise self._late(Stage.REVISED)

        is_broken = is_formatted and not is_whole(answer.text)
        if is_broken and not last.cut:
            problems.append(Problem.BROKEN_FORMAT)
        status = _status(problems)
        yield Completed(
            Reflection(
                id=request.id,
                model=request.model,
                adapter=request.adapter,
                status=status,
                outcome=_outcome(status, decision=decision, only_witness=request.only_witness, formatted=is_formatted),
                problems=tuple(dict.fromkeys(problems)),
                draft=draft.text,
                witness=witness.scene,
                expected_weight=witness.expected_weight,
                decision=decision,
                revise_probability=witness.revise_probability,
                answer=answer.text,
                answer_cut=answer.cut or is_broken,
                stages=tuple(reports),
                answer_stage=answer_stage,
            )
        )

    def _text_stage(self, stage: Stage, request: ReflectionRequest, *, expected_end: int) -> TextStage:
        return TextStage(
            stage, self._tokenizer, expected_end=expected_end, stops=request.stops, deadlines=self._deadlines
        )

    def _late(self, stage: Stage) -> EngineLate:
        limit_s = self._deadlines.limit_s(stage)
        return EngineLate(f"The engine wrote nothing in the {limit_s:g} seconds of stage {stage}.")

    def _relay(self, plan: Plan, *, watch: tuple[int, ...]) -> Relay:
        tokens, sampling = self._tokenizer.chain, plan.request.sampling
        goes_on = {tokens.witness} if plan.request.only_witness else {tokens.witness, tokens.decisions[Decision.REVISE]}
        # An engine counts repetitions over a whole request: penalties would set the revision against its own draft.
        # And it is one request's text that is held to a format, or scored, which excludes watching.
        request = plan.request
        by_stage = request.json_schema is not None or request.top_logprobs is not None
        if not plan.reflects or by_stage or sampling.frequency_penalty or sampling.presence_penalty:
            return Relay(self._engine, None)
        course = Course(
            stop_ids=tokens.all - tokens.scene - goes_on,
            max_tokens=plan.budget.total,
            watch=watch,
            watch_after=tokens.fields[Field.WEIGHT],
        )
        return Relay(self._engine, course)

    def _generation(
        self, plan: Plan, stage: Stage, prompt: tuple[int, ...], max_tokens: int, *, watch: tuple[int, ...] = ()
    ) -> Generation:
        # The chain's own tokens end a stage in the engine; any other control token ends it here, in the stage. Asking
        # vLLM to watch for all thousand would cost it more per token than such a token, which hardly ever comes.
        tokens = self._tokenizer.chain
        stop_ids = tokens.all - tokens.scene if stage is Stage.WITNESS else tokens.all
        is_last = stage is Stage.REVISED or not plan.reflects
        return Generation(
            id=f"{plan.request.id}-{stage}",
            prompt=prompt,
            max_tokens=max_tokens,
            min_tokens=1,
            stop_ids=stop_ids,
            sampling=plan.request.sampling,
            adapter=None if self._is_merged else plan.request.adapter,
            watch=watch,
            trace=plan.trace,
            session=session_of(plan.request.conversation, plan.request.session),
            top_logprobs=None if stage is Stage.WITNESS else plan.request.top_logprobs,
            json_schema=plan.request.json_schema if is_last else None,
        )


def _status(problems: Sequence[Problem]) -> Status:
    if not problems:
        return Status.COMPLETE
    # A cut witness lacks its last fields, too; that is a cut, not a malformed scene.
    is_cut = Problem.CUT_WITNESS in problems or Problem.LATE_WITNESS in problems
    by_cuts = CUTS | _MISSING if is_cut else CUTS
    return Status.TRUNCATED if by_cuts.issuperset(problems) else Status.MALFORMED


def _outcome(status: Status, *, decision: Decision, only_witness: bool, formatted: bool) -> Outcome:
    match status:
        case Status.COMPLETE:
            if only_witness:
                return Outcome.WITNESSED
            if decision is Decision.REVISE:
                return Outcome.REVISED
            return Outcome.FORMATTED if formatted else Outcome.KEPT
        case Status.MALFORMED:
            return Outcome.MALFORMED
        case Status.TRUNCATED:
            return Outcome.TRUNCATED
        case Status.BYPASSED:
            return Outcome.BYPASSED


def _bypassed(plan: Plan, draft: TextStage, problems: Sequence[Problem]) -> Reflection:
    is_broken = plan.request.json_schema is not None and not draft.cut and not is_whole(draft.text)
    return Reflection(
        id=plan.request.id,
        model=plan.request.model,
        adapter=plan.request.adapter,
        status=Status.BYPASSED,
        outcome=Outcome.BYPASSED,
        problems=(*problems, Problem.BROKEN_FORMAT) if is_broken else tuple(problems),
        draft=draft.text,
        witness=None,
        expected_weight=None,
        decision=None,
        revise_probability=None,
        answer=draft.text,
        answer_cut=draft.cut or is_broken,
        stages=(draft.report,),
        answer_stage=Stage.DRAFT,
    )
