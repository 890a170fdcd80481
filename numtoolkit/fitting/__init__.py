"""Coefficients from data: tables of fitted schemes by least squares, and the best value of a scheme's parameter."""

from numtoolkit.fitting.least_squares import fit
from numtoolkit.fitting.search import search
from numtoolkit.tables import Table, read_table, write_table

__all__ = ["Table", "fit", "read_table", "search", "write_table"]
