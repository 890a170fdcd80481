"""From a declaration to a run program: which steps spend a budget, entries in float64, the program itself."""
