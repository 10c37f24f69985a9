"""What a request took in tokens, as its reply tells it, and more where the reply broke off."""

from __future__ import annotations

from tear_server.api.chat import usage
from tear_server.call import Call, Usage


def usage_of(call: Call) -> Usage:
    """All of a call's reflections together. Answers side by side share their prompt; witnessed items do not."""
    whole = list(call.reflections)
    parts = [[one] for one in whole] if any(run.only_witness for run in call.runs) else [whole] if whole else []
    told = [usage(part) for part in parts]
    return Usage(
        prompt=sum(each["prompt_tokens"] for each in told),
        completion=sum(each["completion_tokens"] for each in told)
        + sum(run.tokens for run in call.runs if run.reflection is None),
        cached=sum(each["prompt_tokens_details"]["cached_tokens"] for each in told),
        reasoning=sum(each["completion_tokens_details"]["reasoning_tokens"] for each in told),
    )
