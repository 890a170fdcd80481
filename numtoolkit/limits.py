"""The most that one command or experiment may ask for: more is a slip of the pen, which would run for ever."""

MOST = 10_000_000  # numbers of one list: seeds, samples
MOST_NFE = 100_000  # evaluations of one run
MOST_COORDINATES = 4096  # of one sample, where a matrix of all pairs of them is made
