"""Conversations for engines, and what a server answers."""

from __future__ import annotations

from typing import Any

from j1sdk.types import Conversation, Message


def ask(text: str, begun: str = "") -> Conversation:
    """A user's message; with `begun`, an answer to be continued."""
    asked = (Message(role="user", content=text),)
    return (*asked, Message(role="assistant", content=begun)) if begun else asked


def said(text: str) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
