"""From a declaration to a run program: which steps spend a budget, entries in float64, the program itself."""

from numtoolkit.moved import names_of

__getattr__ = names_of(__name__)
