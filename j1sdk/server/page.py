"""The page a server shows of itself: one file, no network but the server's own `/v1/stats`."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

PAGE = files("j1sdk.server").joinpath("page.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """What a browser may run or apply, by digest: nothing that a response could smuggle in."""
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    digests = [b64encode(sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')};"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the URL may hold the token
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
