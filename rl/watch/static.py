"""The page's own files, and plotly.js of the installed package."""

import gzip
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import plotly

import rl.report

PAGE = Path(__file__).parent / "page"
REPORT = Path(rl.report.__file__).parent / "page"
SHARED = ("report.css", "theme.js", "figures.js")
"""The report's, so that both pages look alike."""
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
PLOTLY = "plotly.js"


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    content: bytes
    media_type: str
    version: str
    """It changes with the content."""

    @cached_property
    def packed(self) -> bytes:
        """Gzipped: of plotly.js this takes a quarter of a second, so once."""
        return gzip.compress(self.content, 6)


def assets() -> dict[str, Asset]:
    """Every file by its name in ``/static``; ``@NAME@`` in the page becomes the address of that file."""
    found = {path.name: _asset(path.read_bytes(), path.suffix) for path in PAGE.iterdir()}
    found |= {name: _asset((REPORT / name).read_bytes(), Path(name).suffix) for name in SHARED}
    library = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    found[PLOTLY] = _asset(library.read_bytes(), ".js")
    html = found["index.html"].content.decode()
    for name, asset in found.items():
        html = html.replace(f"@{name}@", f"static/{name}?v={asset.version}")
    found["index.html"] = _asset(html.encode(), ".html")
    return found


def _asset(content: bytes, suffix: str) -> Asset:
    return Asset(content, MEDIA_TYPES[suffix], sha256(content).hexdigest()[:16])
