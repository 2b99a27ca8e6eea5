"""What must hold for a builder."""

from __future__ import annotations

import asyncio

from j1sdk.background import run
from j1sdk.testing.components import ComponentContract
from j1sdk_data.builders import ENGINE_ERROR, Builder, Built


class BuilderContract(ComponentContract):
    """Checks of a `Builder`, which must have at least two items. They are built several times."""

    component: Builder
    abstract = Builder

    def test_yields_the_same_items_each_time(self) -> None:
        items = list(self.component.items())
        assert len(items) > 1, "a contract about one item says little"
        assert items == list(self.component.items()), "the second reading differs"

    def test_gives_each_item_its_own_id(self) -> None:
        ids = [item.id for item in self.component.items()]
        assert len(set(ids)) == len(ids), "an id is used twice"

    def test_makes_pairs_or_says_why_not(self) -> None:
        known = {*self.component.failures, ENGINE_ERROR}
        for built in self._built():
            assert bool(built.pairs) != bool(built.failure), "neither pairs nor a failure, or both"
            assert not built.failure or built.failure in known, f"{built.failure!r} is unheard of"

    def test_puts_the_chosen_response_first(self) -> None:
        for pair in (pair for built in self._built() for pair in built.pairs):
            assert len(pair.responses) == 2, "a pair has two responses"
            assert pair.responses[0] != pair.responses[1], "chosen and rejected are the same"
            assert pair.preferred == 0, "the chosen response is not the first"

    def test_gives_each_pair_its_own_id(self) -> None:
        ids = [pair.id for built in self._built() for pair in built.pairs]
        assert len(set(ids)) == len(ids), "two pairs share an id"

    def _built(self) -> list[Built]:
        async def all_of_them() -> list[Built]:
            items = self.component.items()
            return list(await asyncio.gather(*map(self.component.build, items)))

        return run(all_of_them())
