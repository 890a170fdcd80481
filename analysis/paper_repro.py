"""Write `paper_repro.md` from the results of `numtoolkit reproduce claims`, `figures/claims.json`."""

from __future__ import annotations

from pathlib import Path

from numtoolkit.files.storage import read_json, write
from numtoolkit.reproduce.claims import page

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "paper_repro.md"


def text() -> str:
    """The page as it is by the results."""
    record = read_json(ROOT / "figures" / "claims.json")
    return page(record["data"], record["title"], record["experiment"]["caption"], record["command"])


if __name__ == "__main__":
    print(write(PAGE, text()))
