"""Rows over what is at hand when they are computed: the quantity a scheme freezes is folded into the rows that use it.

A scheme's rows combine states and the frozen quantity e of each evaluation; a network returns something else, with
e = P z + Q out. A row with the coefficient c of e takes c P of the state z and c Q of the output. Computed in the dtype
of a run, e would lose what the output says wherever Q is small: on a flow from t = 1 - 1e-6 the noise is
z - 1e-6 D + ..., of whose D float32 keeps one digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from numtoolkit.problem.kinds import Floats

Terms = Mapping[str, Floats]  # source -> its blocks (n, rows, columns), one a step


@dataclass(frozen=True)
class Conversion:
    """e = P z + Q out + offset, blocks (n, ., .) one a step, of the state z named `of` and the output named `raw`.

    offset     what the mean of a reference law adds, as a term of the constant source, if there is one
    write_out  whether z is written out in its own sources, so that no row reads it
    """

    of: str
    raw: str
    P: Floats
    Q: Floats
    offset: Terms
    write_out: bool

    @property
    def moves(self) -> Floats | None:
        """P / Q where z is written out: what a change of z, by whoever calls the network, amounts to in out."""
        return self.P / self.Q if self.write_out else None


@dataclass(frozen=True)
class Folder:
    """The rows of a step and the conversions of its evaluations, by name, over what is at hand: states, outputs,
    carried values, noises and the constant. Coefficients of one source are summed in float64."""

    rows: dict[str, Terms] = field(default_factory=dict)
    conversions: dict[str, Terms] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)

    def row(self, name: str, declared: Iterable[tuple[str, Floats]]) -> Terms:
        """The row `name` of a step, given by its `declared` terms."""
        total: dict[str, Floats] = {}
        for source, blocks in declared:
            if source in self.conversions:
                _add(total, self.conversions[source], blocks)
            else:
                _add(total, {self.copies.get(source, source): blocks})
        self.rows[name] = total
        if len(total) == 1:
            ((source, blocks),) = total.items()
            if (blocks == np.eye(*blocks.shape[1:])).all():
                self.copies[name] = source
        return total

    def convert(self, name: str, conversion: Conversion) -> Terms:
        """The evaluation `name` as its `conversion` makes it of a state and an output.

        On a scalar process the noise and the score follow the forward drift: P z and the flow of the start of the step
        are large near alpha = 0, and cancel. Written out, a stage z ends in the same sources as that flow, and the
        cancellation takes place here once and for all. It is the other way round where the network, and not the flow,
        cancels P z, as a noise prediction does in the data (z - sigma eps) / alpha: both have to see the same z.
        """
        of, terms = self.copies.get(conversion.of, conversion.of), dict[str, Floats]()
        _add(terms, self.rows[of] if conversion.write_out else {of: np.eye(conversion.P.shape[2])}, conversion.P)
        _add(terms, {conversion.raw: conversion.Q, **conversion.offset})
        self.conversions[name] = terms
        return terms


def _add(total: dict[str, Floats], terms: Terms, factor: Floats | None = None) -> None:
    """Adds `terms`, each times the factor from the left, to the total."""
    for source, blocks in terms.items():
        own = blocks if factor is None else factor @ blocks
        total[source] = total[source] + own if source in total else own
