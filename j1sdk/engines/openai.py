"""Any server with OpenAI's chat completions: vLLM, SGLang or a hosted model.

    [judge.engine]
    name = "openai"
    base_url = "http://localhost:8000/v1"
    model = "Qwen/Qwen3-8B"
    server = "vllm"

`server` says what it understands beyond chat completions. Of any server only what all have in
common is asked, and no more is relied on:

| | `any` | `vllm`, `sglang` |
|---|---|---|
| an assistant message at the end | refused: most would answer it | continued |
| stop strings | not sent; the text is cut here, and what follows is paid for | sent, and put back |
| special tokens in the text, such as `</think>` | up to the server | kept |
| top_k, min_p and penalties | up to the server | off, unless `body` sets them |

A server that parses the thinking away (into `reasoning_content`, or into parts of the content) gets
it put back between `<think>` and `</think>`, as formats read it. What servers call the end of an
answer, and the errors they send with a status of 200, are read in `j1sdk.engines.openai_answers`. A
continued message goes through the model's chat template; where that changes thinking, as some do,
vLLM is refused. The `vllm` engine goes around the template. Servers refuse a prompt that leaves no
room for `max_new_tokens` in their context.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from j1sdk.background import on_background
from j1sdk.engines import Engine, cut_after
from j1sdk.engines.chat import messages
from j1sdk.engines.openai_answers import Answer, read_answer, tokens_of
from j1sdk.engines.openai_client import Access, Client, Limits, is_this_machine
from j1sdk.engines.opened import Opened
from j1sdk.errors import ConfigError, EngineError
from j1sdk.types import Completion, Conversation, Sampling

PLAIN = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Nothing but temperature and top_p: else servers apply what the model's authors suggest."""
CONTINUE = {"add_generation_prompt": False, "continue_final_message": True}
STOPPED_AT = {"vllm": "stop_reason", "sglang": "matched_stop"}
"""Where a choice says at what it stopped; other servers do not have the field at all."""
THINK, END_THINK = "<think>", "</think>"
HOTTEST = 2.0
"""The highest temperature in OpenAI's interface."""


class OpenAI(Engine):
    """A model behind an HTTP server."""

    name: ClassVar[str] = "openai"
    incidental: ClassVar[frozenset[str]] = frozenset(
        {"api_key_env", "concurrency", "timeout", "deadline", "retries"}
    )
    model: str = Field(min_length=1)
    """As the server calls it; `GET /v1/models` lists them."""
    base_url: str
    """Up to and including /v1."""
    api_key_env: str | None = None
    """The environment variable that holds the key; without one, none is sent."""
    server: Literal["any", "vllm", "sglang"] = "any"
    """What it understands beyond chat completions."""
    reasoning: Literal["rejoin", "drop"] = "rejoin"
    """Whether thinking that the server parsed away is put back before the answer."""
    body: dict[str, Any] = {}
    """Further fields of a request, such as chat_template_kwargs or reasoning_effort."""
    rename: dict[str, str] = {}
    """What the server calls a field, as in max_tokens = "max_completion_tokens"; "" drops it."""
    headers: dict[str, str] = {}
    """Further headers; they are written to run files, so none may hold a key."""
    concurrency: int = Field(default=64, ge=1)
    """Requests under way at once."""
    timeout: float = Field(default=300.0, gt=0.0)
    """Seconds for one attempt."""
    deadline: float = Field(default=600.0, gt=0.0)
    """Seconds for a request with all its attempts, and for all of them if the server is silent."""
    retries: int = Field(default=12, ge=0)
    """Further attempts after timeouts, lost connections, 429 and 5xx: over some two minutes."""
    _client: ClassVar[Opened[OpenAI, Client]] = Opened(lambda engine: engine._connect())
    """Used on the background loop alone."""

    @field_validator("base_url")
    @classmethod
    def _is_base(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(f"{url!r} should be like http://localhost:8000/v1")
        if "@" in parts.netloc:
            raise ValueError("a password in base_url would be written to run files: api_key_env")
        if parts.path.rstrip("/").endswith("/completions") or parts.query:
            raise ValueError(f"{url!r} should end with /v1: the rest is added")
        return url.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _hold_no_key(cls, headers: dict[str, str]) -> dict[str, str]:
        if any(name.lower() == "authorization" for name in headers):
            raise ValueError("a key in `headers` would be written to run files: use api_key_env")
        return headers

    @property
    def label(self) -> str:
        return self.model

    @property
    def continues(self) -> bool:
        return self.server in STOPPED_AT

    def needs_trust(self, folder: Path) -> list[str]:
        host = urlsplit(self.base_url).hostname or ""
        key = f" with the key in {self.api_key_env}" if self.api_key_env else ""
        return [] if is_this_machine(host) else [f"sends what is judged to {host}{key}"]

    def accept(self, sampling: Sampling) -> None:
        if sampling.temperature > HOTTEST:
            raise ConfigError(f"servers take no temperature above {HOTTEST}: lower it")
        self._key()

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        if conversation[-1].role == "assistant" and not self.continues:
            raise EngineError(
                f"{self.base_url} might answer an assistant message and not continue it: if the"
                ' server is one of them, set `server` to "vllm" or "sglang"'
            )
        return await on_background(self._complete(conversation, sampling))

    async def close(self) -> None:
        await on_background(self._close())

    async def _complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        said = self.request(conversation, sampling)
        try:
            client = self._client
            if "continue_final_message" in said and self.server == "vllm":
                await client.once("template", partial(self._check_template, client))
            read = partial(self.read, conversation=conversation, sampling=sampling)
            return await client.post(f"{self.base_url}/chat/completions", said, read)
        except EngineError as error:
            raise EngineError(f"{self.model} at {self.base_url}: {error}") from error

    async def _check_template(self, client: Client) -> None:
        """Raise ConfigError for a template that changes thinking which it should continue."""
        root = self.base_url.removesuffix("/v1")

        async def rendered(**how: Any) -> str:
            known = {"model": self.model, **self.body, **how}
            tokens = await client.post(f"{root}/tokenize", known, itemgetter("tokens"))
            back = {"model": self.model, "tokens": tokens}
            return str(await client.post(f"{root}/detokenize", back, itemgetter("prompt")))

        asked = {"role": "user", "content": "hi"}
        begun = {"role": "assistant", "content": f"{THINK}\nso"}
        try:
            opened = await rendered(messages=[asked])
            continued = await rendered(messages=[asked, begun], **CONTINUE)
        except (EngineError, KeyError, TypeError):
            return  # what is between us and vLLM does not pass it on: there is no telling
        if continued != opened + begun["content"]:
            raise ConfigError(
                f"the chat template of {self.model} changes thinking that is to be continued: use"
                " the `vllm` engine, or `vllm serve --chat-template` with one that does not"
            )

    def request(self, conversation: Conversation, sampling: Sampling) -> dict[str, Any]:
        """The body of a request."""
        asked = {
            "model": self.model,
            "messages": messages(conversation),
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            **({} if sampling.seed is None else {"seed": sampling.seed}),
            **told(sampling.top_logprobs),
            **(self._beyond(conversation, sampling) if self.continues else {}),
        }
        named = {self.rename.get(field, field): value for field, value in asked.items()}
        return {field: value for field, value in {**named, **self.body}.items() if field}

    def _beyond(self, conversation: Conversation, sampling: Sampling) -> dict[str, Any]:
        """What only servers we know understand."""
        return {
            **PLAIN,
            "skip_special_tokens": False,
            **({"stop": list(sampling.stop)} if sampling.stop else {}),
            **(CONTINUE if conversation[-1].role == "assistant" else {}),
        }

    def read(self, answered: Any, conversation: Conversation, sampling: Sampling) -> Completion:
        """What was written; raises EngineError where the answer is none."""
        answer = read_answer(answered)
        ended, text = answer.ended, self._text(answer, conversation)
        if self.continues:
            text += self._stopped_at(answer.choice)
        elif (cut := cut_after(text, sampling.stop)) != text or text.endswith(sampling.stop):
            text, ended = cut, "stop"
        usage = answered.get("usage")
        return Completion(
            text=text,
            finish_reason=ended,
            server_reason="" if answer.reason == ended else answer.reason,
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
            tokens=tokens_of(answer.choice) if sampling.top_logprobs else (),
        )

    def _text(self, answer: Answer, conversation: Conversation) -> str:
        """Thinking and answer; thinking that was cut short is not ended."""
        text = answer.text
        if answer.thinking and self.reasoning == "rejoin":
            text = _begun(conversation) + answer.thinking + (END_THINK + text if text else "")
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _stopped_at(self, choice: Mapping[str, Any]) -> str:
        """The stop string that ended the text, which servers leave out of it."""
        field = STOPPED_AT[self.server]
        if field not in choice:
            raise EngineError(
                f'the answer has no {field!r}, as those of {self.server} do: set server = "any"'
            )
        return choice[field] if isinstance(choice[field], str) else ""

    async def _close(self) -> None:
        if client := type(self)._client.take(self):
            await client.close()

    def _connect(self) -> Client:
        limits = Limits(self.concurrency, self.timeout, self.deadline, self.retries)
        return Client(Access(self.base_url, self._key(), self.headers), limits)

    def _key(self) -> str:
        if self.api_key_env is None:
            return ""
        if not (key := os.environ.get(self.api_key_env, "").strip()):
            raise ConfigError(f"the environment variable {self.api_key_env} holds no key")
        return key


def told(count: int) -> dict[str, Any]:
    """What asks for so many of the likeliest tokens at every place."""
    return {"logprobs": True, "top_logprobs": count} if count else {}


def _begun(conversation: Conversation) -> str:
    """What opens the thinking, unless the message that is continued has opened it."""
    last = conversation[-1]
    opened = last.role == "assistant" and THINK in last.content.rpartition(END_THINK)[2]
    return "" if opened else THINK


def _count(usage: Any, name: str) -> int:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) and found > 0 else 0
