"""A file such as GSM8K's `train.jsonl`, made up."""

from __future__ import annotations

import json
from pathlib import Path

PEOPLE = ["Anna", "Boris", "Carla", "Diego", "Elena", "Farid", "Greta", "Hanna", "Imani", "Jonas"]
THINGS = ["apples", "books", "coins", "dishes", "eggs", "flags", "gloves", "hats", "icons", "jars"]


def made_up(path: Path, count: int = 40) -> Path:
    """Sums in words, with calculators' annotations."""
    rows = []
    for place in range(count):
        who, what = PEOPLE[place % 10], THINGS[place % 10]
        has, more = 11 + place, 3 + place % 7
        rows.append(
            {
                "question": f"{who} has {has} {what} and finds {more} {what}. How many are there?",
                "answer": f"{who} adds the {what}.\nThere are {has}+{more}="
                f"<<{has}+{more}={has + more}>>{has + more} {what}.\n#### {has + more}",
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
