"""Seeded sampling by row: a completion does not depend on what else is in its batch.

Adding Gumbel noise to the scaled log-probabilities and taking the maximum draws from the same
distribution as ordinary sampling (Gumbel-max trick). Each row has noise of its own generator, so
`generate` runs greedily and every row is drawn by its own temperature, top_p and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from j1sdk.types import Sampling, Token


class GumbelSampler(LogitsProcessor):  # type: ignore[misc]
    """Perturbs the scores of rows that are sampled; leaves greedy rows as they are."""

    def __init__(self, samplings: Sequence[Sampling]) -> None:
        self._rows = [
            (row, sampling, _generator(sampling.seed))
            for row, sampling in enumerate(samplings)
            if sampling.temperature > 0
        ]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (batch, vocabulary) in which the sampled token of each row is the highest."""
        scores = scores.clone()
        for row, sampling, generator in self._rows:
            scaled = _nucleus(scores[row].float() / sampling.temperature, sampling.top_p)
            uniform = torch.rand(scaled.shape, generator=generator, dtype=torch.float64)
            noise = -torch.log(-torch.log(uniform.clamp(min=1e-300))).float()
            scores[row] = (scaled + noise.to(scores.device)).to(scores.dtype)
        return scores


class Recorder(LogitsProcessor):  # type: ignore[misc]
    """Keeps, for each token of each row, its log-probability and those of the likeliest."""

    def __init__(self, count: int, decode: Callable[[int], str]) -> None:
        self._count, self._decode = count, decode
        self._likeliest: list[tuple[list[list[float]], list[list[int]]]] = []
        self._last: torch.Tensor | None = None
        self._chosen: list[list[float]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (batch, vocabulary), as they come."""
        self._choose(input_ids)
        self._last = scores.float().log_softmax(-1)
        values, places = self._last.topk(self._count)
        self._likeliest.append((values.tolist(), places.tolist()))
        return scores

    def _choose(self, ids: torch.Tensor) -> None:
        """Note how likely the token was that was drawn from the scores before these."""
        if self._last is not None:
            self._chosen.append(
                self._last.gather(1, ids[:, -1:].to(self._last.device))[:, 0].tolist()
            )

    def tokens(self, written: torch.Tensor, row: int, count: int) -> tuple[Token, ...]:
        """The first tokens of a row of what `generate` returned (batch, length)."""
        if len(self._chosen) < len(self._likeliest):
            self._choose(written)
        new = written[row, written.shape[1] - len(self._likeliest) :].tolist()
        return tuple(self._token(token, row, step) for step, token in enumerate(new[:count]))

    def _token(self, token: int, row: int, step: int) -> Token:
        values, places = self._likeliest[step]
        others = zip(map(self._decode, places[row]), values[row], strict=True)
        return Token(self._decode(token), self._chosen[step][row], tuple(others))


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
        return generator
    return generator.manual_seed(seed)


def _nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Scores with everything outside the smallest set of probability `top_p` ruled out."""
    if top_p >= 1.0:
        return scores
    ordered, places = scores.sort(descending=True)
    probabilities = ordered.softmax(-1)
    outside = probabilities.cumsum(-1) - probabilities >= top_p
    return scores.index_fill(0, places[outside], -torch.inf)


def sampler(samplings: Sequence[Sampling], recorder: Recorder | None = None) -> Any:
    """What `generate` takes as `logits_processor`, one sampling per row."""
    return LogitsProcessorList([*([recorder] if recorder else []), GumbelSampler(samplings)])
