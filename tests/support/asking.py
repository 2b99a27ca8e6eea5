"""Conversations for engines."""

from __future__ import annotations

from j1sdk.types import Conversation, Message


def ask(text: str, begun: str = "") -> Conversation:
    """A user's message; with `begun`, an answer to be continued."""
    asked = (Message(role="user", content=text),)
    return (*asked, Message(role="assistant", content=begun)) if begun else asked
