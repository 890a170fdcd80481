"""Schemes as a person reads them and as a paper prints them. Loads no heavy library."""

from numtoolkit.printing.pages import claims, companions, latex, projected, rows, sections, text

__all__ = ["claims", "companions", "latex", "projected", "rows", "sections", "text"]
