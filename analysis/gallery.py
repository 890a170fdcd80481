"""Write `docs/gallery.md`: every figure of `figures/`, small, with its question and the command that makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from numtoolkit.files.storage import read_json, write
from numtoolkit.reproduce.reading import rank

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "gallery.md"
WIDTH = 420  # pixels, of a figure on the page
HEAD = """# Gallery

Every figure of `figures/`, in the order of their kinds: its question, and the command that makes it. A scheme has one
colour and marker in all of them. Captions, data and tables are in `figures/README.md`; this page is what
`python analysis/gallery.py` makes of them.
"""


def text() -> str:
    """The page as it is by the figures."""
    records = {path.stem: read_json(path) for path in (ROOT / "figures").glob("*.json")}
    shown = [name for name, record in records.items() if f"{name}.png" in record["files"]]
    order = sorted(shown, key=lambda name: rank(records[name]["experiment"], name))
    return "\n".join([HEAD, *(_entry(name, records[name]) for name in order)])


def _entry(name: str, record: dict[str, Any]) -> str:
    title = record["title"].replace("<", "&lt;").replace('"', "&quot;")
    file = f"../figures/{quote(name)}"
    picture = f'<a href="{file}.png"><img src="{file}.png" width="{WIDTH}" alt="{title}"></a>'
    others = [
        suffix for suffix in ("svg", "csv", "json", "md") if f"{name}.{suffix}" in [*record["files"], f"{name}.json"]
    ]
    links = ", ".join(f"[{suffix}]({file}.{suffix})" for suffix in others)
    return f"**{title}** `{record['command']}` ({links})\n\n{picture}\n"


if __name__ == "__main__":
    print(write(PAGE, text()))
