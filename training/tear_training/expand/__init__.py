"""New rows from a larger model: asked over any OpenAI-compatible endpoint, filtered, and judged by another model."""

from typing import TYPE_CHECKING, Any

from tear_training.expand.plan import ExpandPlan
from tear_training.expand.report import ExpandReport

if TYPE_CHECKING:
    from tear_training.expand.run import expand

__all__ = ["ExpandPlan", "ExpandReport", "expand"]


def __getattr__(name: str) -> Any:
    # It brings openai and datasketch, which `tear data --help` should not wait for.
    if name == "expand":
        from tear_training.expand.run import expand

        return expand
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
