"""The whole idea on a laptop: train a biased judge to be fair, then a policy by that judge.

Each stage leaves its result in `stages/NAME.json`, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from j1sdk import (
    JudgeRewardModel,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Transformers,
    Value,
)
from j1sdk.engines.transformers import load_model
from j1sdk.evaluation import measure, rate_of
from j1sdk.formats import JudgmentFormat
from j1sdk.training import Grpo, Progress, Sft
from j1sdk_quickstart import policy
from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.pretraining import learn_to_judge, pretrain
from j1sdk_quickstart.staged import Announce, Staged, kept
from j1sdk_quickstart.tasks import Arithmetic

FORMATS: tuple[JudgmentFormat, ...] = (PairwiseVerdict(), PairwiseScores(), Pointwise())
"""Formats whose passages the tiny tokenizer knows."""
ARMS = ("trained_judge", "untrained_judge", "random")


class Sizes(Value):
    """How much of everything; the defaults take a few minutes on two cores."""

    pretraining_steps: int = 6000
    """At most; it ends when all is mastered."""
    lessons: int = 1000
    """Steps at most of learning to judge; it ends when that is mastered."""
    demonstrations: int = 16_000
    bias: float = 0.95
    """Share of verdicts that name A although B is right, in the judge's demonstrations."""
    judge_steps: int = 70
    policy_examples: int = 20_000
    forgets: float = 0.6
    """How often the policy's examples forget to carry."""
    policy_steps: int = 40
    policy_prompts: int = Field(default=16, ge=1)
    """Of one step; each has eight answers, and every pair of them is judged in both orders."""
    held_out: int = Field(default=400, ge=1)
    """Pairs, and prompts, to evaluate on."""

    @classmethod
    def small(cls) -> Sizes:
        """Sizes that show the way in seconds, though nothing is learnt."""
        return cls(
            pretraining_steps=20,
            lessons=2,
            demonstrations=640,
            judge_steps=2,
            policy_examples=640,
            policy_steps=2,
            policy_prompts=1,
            held_out=20,
        )


class Quickstart(Staged):
    """One run of the quickstart in one folder."""

    stages = (
        ("base", "Pretrain a tiny model on arithmetic"),
        ("fair_judge", "Teach it to judge by what it thinks"),
        ("warm_start", "Give the judge a position bias (SFT)"),
        ("judge_before", "Evaluate the biased judge"),
        ("judge_training", "Train the judge, both orders in every batch (GRPO)"),
        ("judge_after", "Evaluate the trained judge"),
        ("policy_warm_start", "Warm-start a policy that forgets to carry (SFT)"),
        ("trained_judge", "Train the policy by the trained judge (GRPO)"),
        ("untrained_judge", "Control: by the untrained judge"),
        ("random", "Control: by a random reward"),
        ("policy_evaluation", "Evaluate the policies"),
    )

    def __init__(self, out: Path, seed: int = 0, sizes: Sizes | None = None) -> None:
        self.sizes = sizes or Sizes()
        super().__init__(out, seed, {"sizes": self.sizes.model_dump()})

    def biased_judge(self, announce: Announce, resume: bool = False) -> Path:
        """Make the judge that training starts from, and no more; returns its folder."""
        self.claim(resume)
        self.run_stages(self.stages[:3], announce)
        return self.judge_of("warm_start")

    def metrics(self) -> dict[str, Any]:
        """The record of the run: what was measured, how long it took, and with what."""
        before, after = self.result("judge_before"), self.result("judge_after")
        return {
            "judge": {
                "before": before["greedy"],
                "after": after["greedy"],
                "before_sampled": before["sampled"],
                "after_sampled": after["sampled"],
            },
            "policy": self.result("policy_evaluation"),
            **self.circumstances(),
        }

    def base(self, progress: Progress) -> Any:
        tokenizer = make_tokenizer(FORMATS)
        model = make_model(tokenizer, self.seed)
        losses = pretrain(
            model, tokenizer, self.sizes.pretraining_steps, self.seed, progress=progress
        )
        model.save_pretrained(self.folder("base"))
        tokenizer.save_pretrained(self.folder("base"))
        return {"final_loss": losses[-1], "parameters": model.num_parameters()}

    def fair_judge(self, progress: Progress) -> Any:
        """A judge whose verdicts follow from its thoughts."""
        folder, seed = self.folder("fair_judge"), self.seed
        engine = self._tiny_judge().engine
        assert isinstance(engine, Transformers)
        model, tokenizer = load_model(engine)
        learn_to_judge(model, tokenizer, seed, self.sizes.lessons, progress)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return {}

    def warm_start(self, progress: Progress) -> Any:
        """They still follow, but A is said too often."""
        judge = self._tiny_judge("fair_judge")
        data = Arithmetic(
            seed=self.seed + 1,
            limit=self.sizes.demonstrations,
            held_out=False,
            bias=self.sizes.bias,
            neither=0.0,
        )
        trainer = Sft(
            learning_rate=3e-4,
            batch_size=64,
            report_to=(),
            options={"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 5},
        )
        return self.learn("warm_start", judge, data, trainer, progress)

    def judge_training(self, progress: Progress) -> Any:
        steps = self.sizes.judge_steps
        data = Arithmetic(seed=self.seed + 2, limit=16 * steps, held_out=False)
        trainer = Grpo(
            learning_rate=3e-4,
            steps=steps,
            logging_steps=2,
            save_steps=25,
            options={"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 5},
        )
        judge = JudgeRewardModel.load(self.judge_of("warm_start"))
        logged = self.learn("judge_training", judge, data, trainer, progress)
        shutil.copytree(self.judge_of("judge_training"), self.out / "judge", dirs_exist_ok=True)
        return logged

    def judge_before(self, progress: Progress) -> Any:
        return self._evaluate(self.judge_of("warm_start"), progress)

    def judge_after(self, progress: Progress) -> Any:
        return self._evaluate(self.out / "judge", progress)

    def policy_warm_start(self, progress: Progress) -> Any:
        sizes = self.sizes
        policy.warm_up(
            self.folder("base"),
            self.folder("policy_warm_start"),
            sizes.policy_examples,
            sizes.forgets,
            self.seed + 3,
            progress,
        )
        return {}

    def trained_judge(self, progress: Progress) -> Any:
        return self._improve("trained_judge", self._reward(self.out / "judge"), progress)

    def untrained_judge(self, progress: Progress) -> Any:
        return self._improve("untrained_judge", self._reward(self.judge_of("warm_start")), progress)

    def random(self, progress: Progress) -> Any:
        generator = random.Random(self.seed + 4)

        def random_reward(completions: Sequence[Any], **_: Any) -> list[float | None]:
            return [generator.random() for _ in completions]

        return self._improve("random", random_reward, progress)

    def policy_evaluation(self, progress: Progress) -> Any:
        asked = policy.sums(self.sizes.held_out, self.seed + 5, held_out=True)
        names = {"before": "policy_warm_start", "after": "trained_judge"}
        names |= {f"control_{arm}": arm for arm in ARMS[1:]}
        measured = {}
        for step, (name, stage) in enumerate(names.items(), 1):
            measured[name] = self._exact_match(self.folder(stage), asked)
            progress(step, len(names))
        return measured

    def _exact_match(self, folder: Path, asked: Sequence[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"n": len(asked)}
        for name, temperature in (("exact_match", 0.0), ("exact_match_sampled", 1.0)):
            written = policy.answers(folder, asked, temperature, self.seed)
            pairs = zip(written, asked, strict=True)
            rate = rate_of([[text.strip() == drawn.answer] for text, drawn in pairs])
            if rate is not None:
                found |= {name: rate.value, f"{name}_interval": (rate.low, rate.high)}
        return found

    def _evaluate(self, judge_folder: Path, progress: Progress) -> Any:
        """Greedy and sampled metrics on pairs whose operands no training has shown."""
        judge = JudgeRewardModel.load(judge_folder)
        tasks = Arithmetic(seed=self.seed + 100, limit=self.sizes.held_out).load()
        greedy = judge.judge(tasks)
        progress(1, 2)
        warm = Sampling(temperature=1.0, max_new_tokens=judge.sampling.max_new_tokens, seed=1)
        sampled = judge.replace(sampling=warm).judge(tasks)
        progress(2, 2)
        return {
            "greedy": measure(greedy).model_dump(),
            "sampled": measure(sampled).model_dump(),
            **kept(greedy),
        }

    def _improve(self, arm: str, reward: Callable[..., Any], progress: Progress) -> Any:
        history = policy.improve(
            self.folder("policy_warm_start"),
            self.folder(arm),
            reward,
            self.sizes.policy_steps,
            self.seed + 6,
            progress,
            self.sizes.policy_prompts,
        )
        return {"last": history[-1]}

    def _reward(self, judge_folder: Path) -> Callable[..., Any]:
        reward: Callable[..., Any] = JudgeRewardModel.load(judge_folder).as_reward_function("trl")
        return reward

    def _tiny_judge(self, stage: str = "base") -> JudgeRewardModel:
        """A judge whose weights are those of a stage."""
        engine = Transformers(
            model=str(self.folder(stage)), dtype="float32", device="cpu", batch_size=256
        )
        return JudgeRewardModel(
            format=PairwiseVerdict(), engine=engine, sampling=Sampling(max_new_tokens=48)
        )
