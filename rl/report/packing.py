"""Large texts inside a page: gzip and base64, which a browser unpacks by itself (DecompressionStream).

So plotly.js, which the Python package brings along (MIT licence, its notice stays in it), takes 2 MB of the
page and not 5; and since base64 has no ``<``, nothing that a model wrote can end a script element.
"""

import base64
import gzip
import json
import re
from functools import cache
from typing import Any

from plotly.offline import get_plotlyjs

from rl.records.jsonl import plain


def packed(text: str) -> str:
    """The text as base64 of its gzip; the same text gives the same result."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def unpacked(content: str) -> str:
    """The inverse of :func:`packed`."""
    return gzip.decompress(base64.b64decode(content)).decode()


def packed_json(value: Any) -> str:
    """A value of JSON's types, packed; NaN becomes null."""
    return packed(json.dumps(plain(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False))


@cache
def plotly_source() -> str:
    """plotly.js as the installed Python package ships it, packed; 1.9 MB."""
    return packed(get_plotlyjs())


def plotly_version() -> str:
    """The version of plotly.js, from the notice in its first lines."""
    found = re.search(r"plotly\.js v([\d.]+)", get_plotlyjs()[:500])
    return found[1] if found else ""
