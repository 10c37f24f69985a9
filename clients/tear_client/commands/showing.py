"""Asking for a reflection and showing it: what `tear ask` and `tear chat` have in common."""

from __future__ import annotations

from collections.abc import Sequence

from tear_chain.conversation import Message
from tear_chain.errors import InvalidRequest
from tear_chain.wire import dump_reflection
from tear_chain.words import Reflection
from tear_client.calls import DIRECT_SUFFIX, Wishes, is_direct
from tear_client.client import Client
from tear_client.progress import replay
from tear_client.replies import Witness
from tear_client.terminal import View, print_json, reflection_view, show_witness


class Speaker:
    """Asks one server, and shows what comes, as it comes."""

    def __init__(self, client: Client, *, as_json: bool) -> None:
        self.client = client
        self._as_json = as_json

    def reflect(
        self, messages: Sequence[Message], wishes: Wishes, *, direct: bool = False, stream: bool = True
    ) -> Reflection:
        """Ask, show the reflection, and return it; `direct` answers without one."""
        model = wishes.get("model")
        if direct:
            model = self.direct_name(model)
        wishes = {**wishes, "model": model}
        if self._as_json:
            reflection = self.client.reflect(messages, **wishes)
            print_json(dump_reflection(reflection))
            return reflection
        with reflection_view(direct=model is not None and is_direct(model)) as view:
            return self._shown(view, messages, wishes, stream)

    def show_witness(self, witness: Witness) -> None:
        """Show what was foreseen of an answer."""
        if self._as_json:
            print_json(witness.model_dump(mode="json"))
        else:
            show_witness(witness)

    def direct_name(self, model: str | None) -> str:
        """The name under which a model answers without reflection; with none given, that of the first served."""
        if model is not None:
            return model if is_direct(model) else f"{model}{DIRECT_SUFFIX}"
        for served in self.client.models():
            if is_direct(served.id):
                return served.id
        raise InvalidRequest("This server has no model that answers directly. Leave --direct out.")

    def _shown(self, view: View, messages: Sequence[Message], wishes: Wishes, stream: bool) -> Reflection:
        if not stream:
            reflection = self.client.reflect(messages, **wishes)
            for event in replay(reflection):
                view.take(event)
            return reflection
        with self.client.stream(messages, **wishes) as events:
            for event in events:
                view.take(event)
            return events.final()
