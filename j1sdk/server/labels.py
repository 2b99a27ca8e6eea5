"""What our own rows tell a reward: trainers send along whatever stands in a row as its label."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from j1sdk.errors import explain
from j1sdk.server.refusals import Unreadable
from j1sdk.types import Conversation

START, END = '{"j1":', "}"


class Label(BaseModel):
    """A prompt as it was before a chat template rendered it, and a reference answer if known."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    prompt: Conversation = Field(min_length=1)
    reference: str | None = None

    def write(self) -> str:
        """As one text: in an object, Arrow would make times of texts that look like some."""
        return START + self.model_dump_json() + END

    @classmethod
    def read(cls, label: Any) -> Self | None:
        """The label, if `write` wrote it; None for anything else. Raises Unreadable."""
        if not isinstance(label, str) or not label.startswith(START):
            return None
        try:
            return cls.model_validate_json(label.removeprefix(START).removesuffix(END))
        except ValidationError as error:
            raise Unreadable(f"a label that is damaged: {explain(error)[0]}") from error
