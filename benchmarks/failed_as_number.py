"""What a failed judgment does to a policy, by what stands for it: nothing, or a number.

    python benchmarks/failed_as_number.py            # 15 minutes on two cores; resumes
    python benchmarks/failed_as_number.py --quick    # seconds, and nothing is learnt

A tiny policy that answers sums, and often forgets to carry, is trained by GRPO in TRL. Its judge
gives a right answer 8 of 10, one that forgets the carry 4, any other 0. Seven in ten of its
thoughts about some answers do not end: in the world `right fails` about right answers that take a
carry, as thoughts about hard and right answers are the longest; in `wrong fails` about answers that
forget it, as a judge may be lost in what makes no sense. The judge is scripted; format, reading,
adapter, trainer and policy are real.

The arms differ in what such an answer gets: nothing (`drop`: the sample is left out), the mean of
its siblings (`group`), 0 (`floor`), one half (`neutral`), or a win, which is what a default verdict
comes to. `read` is the control, whose judge always ends. A start is a policy made from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from j1sdk_quickstart import policy
from j1sdk_quickstart.quickstart import Quickstart, Sizes
from j1sdk_quickstart.sums import Sum
from recording import Row, parser, record, spread

from j1sdk import Conversation, JudgeRewardModel, Pointwise, Sampling, Scripted

ARMS = ("read", "drop", "group", "floor", "neutral", "win")
WORLDS = ("right fails", "wrong fails")
STARTS, HELD_OUT, STEPS, FAILS = (0, 1, 2), 2000, 40, 0.7
RIGHT, NEARLY = 8.0, 4.0
UNENDED = "<think>The tens are"


def judge_of(world: str, arm: str) -> JudgeRewardModel:
    """A judge that does not come to an end on some answers."""
    format, generator = Pointwise(), random.Random(f"{world} {arm}")

    def script(conversation: Conversation, sampling: Sampling) -> str:
        asked, response = between(conversation, "Request"), between(conversation, "Response")
        first, second = asked.rpartition(" ")[2].split("+")
        drawn = Sum(int(first), int(second))
        score = {drawn.without_carry: NEARLY, drawn.answer: RIGHT}.get(response, 0.0)
        hard = drawn.answer if world == "right fails" else drawn.without_carry
        fails = carries(drawn) and response == hard and generator.random() < FAILS
        if not fails or arm == "read":
            return format.write((score,), "Let me add.")
        return format.write((10.0,), "Well.") if arm == "win" else UNENDED

    return JudgeRewardModel(format=format, engine=Scripted(script=script))


def between(conversation: Conversation, name: str) -> str:
    """What stands in the judge's prompt under a name."""
    text = conversation[-1].content.rpartition(f"[{name}]\n")[2]
    return text.partition(f"\n[End of {name.lower()}]")[0].strip()


def carries(drawn: Sum) -> bool:
    return drawn.without_carry != drawn.answer


def reward_of(world: str, arm: str) -> Callable[..., Any]:
    """The judge as TRL's reward, by the adapter that people use."""
    options = {} if arm in ("read", "win") else {"unscored": arm}
    judge = judge_of(world, arm)
    reward: Callable[..., Any] = judge.as_reward_function("trl", **options)
    return reward


def start_of(folder: Path, seed: int, sizes: Sizes) -> Path:
    """A policy made from a seed: pretrained, and taught to forget the carry; made once."""
    journey = Quickstart(folder, seed, sizes)
    wanted = [stage for stage in journey.stages if stage[0] in ("base", "policy_warm_start")]
    journey.claim(resume=True)
    journey.run_stages(wanted, lambda title: lambda done, of: None)
    return Path(journey.folder("policy_warm_start"))


def measured(model: Path, count: int, seed: int) -> dict[str, float]:
    """Shares of held-out sums, at temperature 0."""
    asked = policy.sums(count, 1000 + seed, held_out=True)
    written = [text.strip() for text in policy.answers(model, asked, 0.0, seed)]
    pairs = list(zip(written, asked, strict=True))
    hard = [(text, one) for text, one in pairs if carries(one)]
    return {
        "right": fmean(text == one.answer for text, one in pairs),
        "right with a carry": fmean(text == one.answer for text, one in hard),
        "forgets the carry": fmean(text == one.without_carry for text, one in hard),
    }


def rows_of(folder: Path, seeds: Sequence[int], quick: bool) -> Iterator[Row]:
    """A row for each start as it is, and for each world and arm."""
    sizes, steps, prompts = (Sizes.small(), 2, 2) if quick else (Sizes(), STEPS, 16)
    count = 60 if quick else HELD_OUT
    for seed in seeds:
        home = folder / str(seed)
        start = start_of(home, seed, sizes)
        before = {"start": seed, "world": "", "a failure gets": "(before)"}
        yield before | measured(start, count, seed)
        for world, arm in product(WORLDS, ARMS):
            trained = home / world.replace(" ", "-") / arm
            if not (trained / "model.safetensors").exists():
                reward = reward_of(world, arm)
                policy.improve(start, trained, reward, steps, seed, prompts_per_step=prompts)
            named = {"start": seed, "world": world, "a failure gets": arm}
            yield named | measured(trained, count, seed)


def means(rows: Sequence[Row]) -> dict[str, str]:
    """Right with a carry, over the starts: the mean, and its 95% interval by Student's t."""
    found = {}
    for world, arm in product(WORLDS, ARMS):
        mine = [row for row in rows if (row["world"], row["a failure gets"]) == (world, arm)]
        right = [row["right with a carry"] for row in mine]
        found[f"right with a carry, {world}, {arm}"] = spread(right)
    return found


def main() -> None:
    """Train what is not there yet, and record."""
    options = parser(__doc__)
    options.add_argument("--work", type=Path, default=Path("runs/failed-as-number"))
    options.add_argument("--starts", type=int, nargs="+", default=STARTS)
    chosen = options.parse_args()
    seeds = chosen.starts[:1] if chosen.quick else chosen.starts
    rows = list(rows_of(chosen.work, seeds, chosen.quick))
    title = "What a failed judgment does to a policy, by what stands for it"
    facts = {"steps": STEPS, "held-out sums": HELD_OUT, "independent starts": len(seeds)}
    record("failed_as_number", title, rows, chosen.out, **facts, **means(rows))


if __name__ == "__main__":
    main()
