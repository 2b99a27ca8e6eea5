"""The trainer `openrlhf-policy`: the run's judge is the reward, and a policy is what is trained.

[train]
name = "openrlhf-policy"
policy = "Qwen/Qwen3-8B"
prompts = "prompts.jsonl"
reward = "group"
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from j1sdk.component import ModelName
from j1sdk.errors import ConfigError, TrainingError
from j1sdk.files import write_text
from j1sdk.run import Run
from j1sdk.server import Serve
from j1sdk.training import Progress
from j1sdk_openrlhf.agent import AGENT
from j1sdk_openrlhf.base import RUN, Written
from j1sdk_openrlhf.flags import Flags, Sizes, Version, cluster_flags, grpo_flags
from j1sdk_openrlhf.trainer import RolloutTrainer

if TYPE_CHECKING:
    from j1sdk.adapters.texts import Label

FUNCTION, GROUP = "function", "group"
EXECUTOR = "j1sdk_openrlhf.ranked"


class OpenRLHFPolicy(RolloutTrainer):
    """GRPO of a policy in OpenRLHF, by the run's judge.

    What stands for a response without a score is `unscored` of the run's [serve] table, and its
    rate is logged as `j1/unscored`.
    """

    name: ClassVar[str] = "openrlhf-policy"
    leaves: ClassVar[str] = "policy"
    spelled: ClassVar[dict[str, str]] = RolloutTrainer.spelled | {
        "prompts_per_step": "rollout.batch_size",
        "rollouts": "rollout.n_samples_per_prompt",
        "max_new_tokens": "rollout.max_new_tokens",
        "context": "data.max_len",
        "reward": "reward.remote_url",
    }
    policy: ModelName = Field(min_length=1)
    """A directory, or the name of a model on the Hugging Face hub."""
    prompts: Path
    """JSON lines: {"prompt": a text or messages, "reference": a reference answer, if known}."""
    reward: str = FUNCTION
    """`function` scores each response by itself, or a pairwise judge's against the reference;
    `group` ranks the responses to a prompt against each other; both open the judge in every
    rollout worker. `http://HOST:PORT/get_reward` asks a judge behind `j1 serve`."""
    prompts_per_step: int = Field(default=64, ge=1)
    """Prompts of one step; each gets `rollouts` responses."""
    rollouts: int = Field(default=8, ge=1)
    """Responses to each prompt."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Length of a response, at most."""
    context: int | None = Field(default=None, ge=1)
    """Tokens of prompt and response together; as many as the longest prompt needs unless given."""
    template_options: dict[str, Any] = {}
    """Extra variables for the policy's chat template, such as enable_thinking."""

    @field_validator("reward")
    @classmethod
    def _known(cls, reward: str) -> str:
        if reward not in (FUNCTION, GROUP) and not reward.startswith(("http://", "https://")):
            raise ValueError('should be "function", "group" or the URL of a reward server')
        if "," in reward:
            raise ValueError("a URL without a comma: OpenRLHF would take it for several")
        return reward

    @property
    def remote(self) -> bool:
        """Whether the reward is a server's."""
        return self.reward not in (FUNCTION, GROUP)

    def check(self, run: Run) -> None:
        if not self.remote and run.serve and run.serve.cohort:
            raise ConfigError(
                "`cohort` of [serve] makes a server wait for a prompt's responses: leave it out,"
                ' and set reward = "group" to have them ranked together'
            )
        if self.reward == FUNCTION and run.serve and run.serve.unscored == "group":
            raise ConfigError(
                'unscored = "group" of [serve] needs the other responses, which reward ='
                ' "function" does not see: choose "neutral", "floor" or "error"'
            )
        if self.reward == GROUP and self.rollouts < run.judge.format.arity:
            raise ConfigError('reward = "group" has nothing to rank with one rollout per prompt')

    def write(self, run: Run, folder: Path, version: Version) -> Written:
        from j1sdk.engines.chat import load_tokenizer
        from j1sdk_openrlhf.export import of_whole_steps, write_lines
        from j1sdk_openrlhf.prompts import check_round_trip, prompt_rows, read_prompts

        asked = read_prompts(self.prompts)
        self._check_references(run, asked)
        room = self.context - self.max_new_tokens if self.context else None
        tokenizer = load_tokenizer(self.policy)
        made = prompt_rows(asked, tokenizer, self.template_options, room, self.drop_long)
        if self.reward != GROUP:
            check_round_trip(tokenizer, made.rows, self.policy)
        rows = of_whole_steps(made.rows, self.prompts_per_step, "prompts")
        write_lines(folder / "rows.jsonl", rows)
        sizes = Sizes(
            rows=self.prompts_per_step,
            samples=self.rollouts,
            context=self.context or made.longest + self.max_new_tokens,
            new=self.max_new_tokens,
        )
        flags = {
            "actor.model_name_or_path": self.policy,
            "data.prompt_dataset": str(folder / "rows.jsonl"),
            "data.input_key": "input",
            "data.label_key": "label",
            **self._reward_flags(folder),
            **grpo_flags(self, version, sizes),
            **cluster_flags(self.cluster, self.kl),
        }
        return Written(flags, len(rows) * self.epochs // self.prompts_per_step)

    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        """As every trainer; raises ConfigError, before anything runs, without a reward server."""
        from j1sdk_openrlhf.remote import check_server, is_gone

        if self.remote:
            check_server(self.reward)
        try:
            return super().train(run, out, resume, progress)
        except TrainingError as error:
            if self.remote and is_gone(self.reward):
                raise TrainingError(
                    f"the reward server at {self.reward} no longer answers. OpenRLHF asks five"
                    " times, a second apart, and then gives up: start the server again, and add"
                    f" --resume\n{error}"
                ) from error
            raise

    def _reward_flags(self, folder: Path) -> Flags:
        """What OpenRLHF is to take for the reward; writes the file, if it is one."""
        from j1sdk_openrlhf.reward_file import write_shim

        if self.remote:
            return {"reward.remote_url": self.reward}
        if self.reward == GROUP:
            executor = folder / "executor.py"
            write_text(executor, AGENT.format(module=EXECUTOR, run=str(folder / RUN)))
            return {"train.agent_func_path": str(executor)}
        write_shim(folder / RUN, folder / "reward.py")
        return {"reward.remote_url": str(folder / "reward.py")}

    def _check_references(self, run: Run, asked: list[Label]) -> None:
        """Raise ConfigError where a pairwise judge would have nothing to compare with."""
        served = run.serve or Serve()
        bare = sum(not one.reference for one in asked)
        alone = bare if served.reference == "label" else len(asked)
        if self.reward == FUNCTION and run.judge.format.arity == 2 and alone:
            raise ConfigError(
                f"{run.judge.format.name} compares two responses, and {alone} of {len(asked)}"
                ' prompts have no reference to compare with: give them one, or set reward = "group"'
            )
