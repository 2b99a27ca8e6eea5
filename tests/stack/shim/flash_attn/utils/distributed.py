from typing import Any, NoReturn


def all_gather(*arguments: Any, **named: Any) -> NoReturn:
    raise NotImplementedError("ring attention needs the real flash-attn")
