"""Loaded by schemathesis: answers of a few tokens are enough to see whether a request can break the server."""

from typing import Any

import schemathesis

LIMITS = {
    "/v1/chat/completions": "max_tokens",
    "/v1/reflections": "max_completion_tokens",
    "/v1/responses": "max_output_tokens",
}
FEW = 2


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    name = LIMITS.get(case.operation.path)
    if name is not None and isinstance(case.body, dict) and (case.body.get(name) is None or _is_many(case.body[name])):
        case.body = {**case.body, name: FEW}


def _is_many(limit: Any) -> bool:
    return isinstance(limit, int) and limit > FEW
