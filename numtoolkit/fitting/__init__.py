"""Coefficients from data: the least-squares tables of fitted schemes, and the search for a scheme's scalar parameters."""

from numtoolkit.fitting.least_squares import fit
from numtoolkit.fitting.search import search
from numtoolkit.fitting.table import Table, read_table, write_table

__all__ = ["Table", "fit", "read_table", "search", "write_table"]
