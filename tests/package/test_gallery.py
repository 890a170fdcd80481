"""The gallery shows the figures there are."""

from __future__ import annotations

import runpy

from tests.support.checkout import ROOT


def test_the_gallery_is_what_its_script_makes_of_the_figures() -> None:
    """To the byte, and with every picture of `figures/`."""
    script = runpy.run_path(str(ROOT / "analysis" / "gallery.py"))
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert script["text"]() == page
    assert all(f"](../figures/{path.stem}.svg)" in page for path in (ROOT / "figures").glob("*.png"))
