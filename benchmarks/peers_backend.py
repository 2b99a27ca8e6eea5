"""A scripted server of chat completions that is late, fails at first and answers badly.

What it answers is seeded by the prompt alone, so every client gets the same. A request with
`response_format` is answered in JSON, any other in tags. Prints its port; ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

GOOD = "good"
KINDS = ("no verdict", "cut by the limit", "cut while thinking", "empty tags", "impossible")
FIRST_TRY_500 = 0.01
THOUGHTS = (
    "The request asks for something specific, so what counts is whether it was done.",
    "The response of assistant A is fluent and says a little more than it was asked to.",
    "The response of assistant B is shorter and keeps to the point of the request.",
    "Neither makes a claim that is plainly false, though one leaves out a step.",
)


class Answer(NamedTuple):
    """What the prompt will be answered with."""

    kind: str
    verdict: str
    """A or B; of malformed answers the one that a careless reader might find."""
    fails_first: bool

    @property
    def finish_reason(self) -> str:
        return "length" if self.kind.startswith("cut") else "stop"


def answer_to(prompt: str, malformed: float, seed: int) -> Answer:
    """The same for the same prompt, in any process."""
    digest = hashlib.sha256(f"{seed} {prompt}".encode("utf-8", "surrogatepass")).digest()
    chance = Random(digest)
    kind = chance.choice(KINDS) if chance.random() < malformed else GOOD
    return Answer(kind, chance.choice("AB"), chance.random() < FIRST_TRY_500)


def in_tags(answer: Answer) -> str:
    """As j1sdk's pairwise-verdict asks for it."""
    verdict = f"<answer>[[{answer.verdict}]]</answer>"
    thought = "<think>\n" + " ".join(THOUGHTS * 4)
    ends = {
        GOOD: f"{thought}\n</think>\n{verdict}",
        "no verdict": f"{thought}\n</think>\nBoth responses have their merits.",
        "cut by the limit": f"{thought}\n</think>\n<answer>[[",
        "cut while thinking": f"{thought} Tentatively {verdict}, but on the other",
        "empty tags": f"{thought}\n</think>\n<answer></answer>",
        "impossible": f"{thought}\n</think>\n<answer>[[C]]</answer>",
    }
    return ends[answer.kind]


def in_json(answer: Answer, field: str) -> str:
    """As OpenJudge's graders ask for it: a score for A, or in rank[i] the place of response i."""
    given: Any = [1, 2] if answer.verdict == "A" else [2, 1]
    wrong: Any = [3, 1]
    if field == "score":
        given, wrong = float(answer.verdict == "A"), 7.0
    thought = " ".join(THOUGHTS * 4)
    ends = {
        GOOD: json.dumps({"reason": thought, field: given}),
        "no verdict": json.dumps({"reason": f"{thought} Both responses have their merits."}),
        "cut by the limit": json.dumps({"reason": thought})[:-1] + f', "{field}": ',
        "cut while thinking": f'<think>{thought} Maybe {{"reason": "", "{field}": {given}}}, but',
        "empty tags": json.dumps({"reason": "", field: None}),
        "impossible": json.dumps({"reason": thought, field: wrong}),
    }
    return ends[answer.kind]


@dataclass
class Script:
    """What the server does, and to whom it has failed already."""

    latency: float
    malformed: float
    seed: int
    failed: set[str] = field(default_factory=set)

    def respond(self, body: bytes) -> bytes:
        asked = json.loads(body)
        prompt = asked["messages"][-1]["content"]
        answer = answer_to(prompt, self.malformed, self.seed)
        if answer.fails_first and prompt not in self.failed:
            self.failed.add(prompt)
            return http("500 Internal Server Error", {"error": {"message": "out of luck"}})
        if form := asked.get("response_format"):
            text = in_json(answer, "rank" if '"rank"' in json.dumps(form) else "score")
        else:
            text = in_tags(answer)
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
        usage = {"prompt_tokens": 900, "completion_tokens": 300, "total_tokens": 1200}
        known = {"id": "1", "object": "chat.completion", "created": 1, "model": asked["model"]}
        return http("200 OK", {**known, "choices": [choice], "usage": usage})


def http(status: str, content: Any) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """As little of HTTP/1.1 as the clients need, so that its cost is none of theirs."""

    def __init__(self, script: Script) -> None:
        self._script, self._received = script, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(rest) >= int(headers[b"content-length"]):
            self._received = b""
            asyncio.get_running_loop().call_later(self._script.latency, self._answer, rest)

    def _answer(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._script.respond(body))  # type: ignore[attr-defined]


async def serve(script: Script, port: int) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(script), "127.0.0.1", port, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency", type=float, default=0.05)
    options.add_argument("--malformed", type=float, default=0.02)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--port", type=int, default=0, help="a free one unless given")
    asked = vars(options.parse_args())
    port = asked.pop("port")
    asyncio.run(serve(Script(**asked), port))


if __name__ == "__main__":
    main()
