"""Items from a file of prompts: JSON lines, with whatever names its fields have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, ValidationError

from j1sdk.data.containers import read_lines
from j1sdk.errors import DataError, explain
from j1sdk.quoting import encodable
from j1sdk_data.builders import Builder, Item

FieldName = Literal["id", "prompt", "response", "reference", "subset"]


class Prompted(Builder):
    """A builder whose items are the lines of a file."""

    path: Path
    """A `.jsonl` file, or `.jsonl.gz`."""
    fields: dict[FieldName, str] = Field(default_factory=dict)
    """What the file calls them, where not by these names: {prompt = "question"}.

    Other fields of the file are left alone. A line without an id is named by its number.
    """

    def items(self) -> Iterator[Item]:
        seen: dict[str, int] = {}
        for number, record in read_lines(self.path):
            where = f"{self.path}, line {number}"
            item = self._item(record, where, f"line-{number}")
            if first := seen.get(item.id):
                raise DataError(f"{where}: id {item.id!r} was used on line {first} already")
            seen[item.id] = number
            yield item

    def _item(self, record: dict[str, Any], where: str, identity: str) -> Item:
        if missing := [name for name in self.fields.values() if name not in record]:
            raise DataError(f"{where}: no field {missing[0]!r}")
        names = {name: self.fields.get(cast(FieldName, name), name) for name in Item.model_fields}
        found = {name: clean(record.get(field)) for name, field in names.items()}
        known = {name: value for name, value in found.items() if value is not None}
        try:
            return Item.model_validate({**known, "id": str(known.get("id", "")) or identity})
        except ValidationError as error:
            problem = explain(error)[0]
            field = names[problem.split(":")[0].split(".")[0]]
            raise DataError(f"{where}, field {field!r}: {problem}") from None


def clean(value: Any) -> Any:
    """JSON whose texts can be written to a file."""
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return encodable(value) if isinstance(value, str) else value
