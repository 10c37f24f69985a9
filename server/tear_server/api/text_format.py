"""`text` of the Responses API: what an answer must be."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tear_chain.errors import InvalidRequest
from tear_server.api.schemas import Text
from tear_server.json_format import ANY_OBJECT, read_schema


class TextFormat(BaseModel):
    """What an answer must be. It is held to its schema, `strict` or not."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_object", "json_schema"]
    name: Text | None = None
    description: Text | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None

    async def read(self) -> str | None:
        """The JSON schema for the engine, None for text; raise `InvalidRequest` if it cannot be used."""
        if self.type != "json_schema":
            return None if self.type == "text" else ANY_OBJECT
        if self.schema_ is None:
            raise InvalidRequest("text.format.schema is missing. Say which schema.", param="text.format.schema")
        return await read_schema(self.schema_, param="text.format.schema")

    def shown(self) -> dict[str, Any]:
        """As the reply repeats it."""
        if self.type != "json_schema":
            return {"type": self.type}
        asked = {"name": self.name or "answer", "schema": self.schema_, "strict": self.strict}
        return {"type": self.type, **asked, "description": self.description}


class TextOptions(BaseModel):
    """OpenAI's `text`."""

    model_config = ConfigDict(extra="allow")

    format: TextFormat | None = None
