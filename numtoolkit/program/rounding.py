"""How many digits a run keeps: the rounding of every row and output, carried to its end in first order.

The network is taken to be exact for data N(sigma_data, sigma_data^2), so that a step is an affine map of what it
inherits, of its noises and of its roundings. Each rounding is independent of all others and as large as what is
rounded: a product c a errs by u |c| |a|, |a| the root of its second moment and u the unit roundoff, and an output of
the network by u times its own. Relative to its size the end of a run then errs by u times its `Loss`: more than a few
where a coefficient is large and cancels, or where the scheme amplifies what is small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from numtoolkit.declare.steps import START
from numtoolkit.problem.processes import Floats, Process
from numtoolkit.program.matrices import gaussian_networks
from numtoolkit.program.modal import mode
from numtoolkit.program.program import CONSTANT, Affine, Draw, Program, ProgramStep
from numtoolkit.program.walk import Walk, handed

MOST_LOST = 100.0  # roundings: two digits of a dtype
WORTH_SAYING = 5e-6  # of the size of the samples: what is measured is up to six times what is estimated
SMALL = 1e-3  # of the deviation of a coordinate: narrower directions are looked at as if they had that
FAR = 10.0  # sizes of the law: a run that ends beyond has left it, and a network that is not Gaussian brings it back


class Loss(NamedTuple):
    """What rounding costs a run: the error of its end in units of one rounding, and the step that costs most."""

    factor: float
    step: int


def loss(program: Program, sigma_data: float = 0.5) -> Loss:
    """What rounding costs a run.

    program     whose rows and outputs are rounded; its start is not
    sigma_data  the deviation, and the mean, of the data that the network is exact for
    cost        no evaluations; about 20 us an instruction
    """
    process, last = program.process, len(program.steps) - 1
    algebra = _Rounded(process.blocks, _moments(process, program.times[0], sigma_data))
    networks = gaussian_networks(program, np.array([sigma_data**2]), np.array([sigma_data]))
    maps: list[tuple[Floats, Floats]] = []

    def hand(n: int, step: ProgramStep, names: dict[str, Floats]) -> dict[str, Floats]:
        kept = handed(n, step, names)
        del kept[CONSTANT]
        maps.append(algebra.end([kept[START]] if n == last else list(kept.values())))
        return kept if n == last else algebra.begin({k: len(v) for k, v in kept.items()}, program.steps[n + 1])

    with np.errstate(over="ignore", invalid="ignore"):
        walk = Walk(program, algebra.begin({START: process.blocks}, program.steps[0])[START], algebra, hand)
        while walk.call is not None:
            slope, offset = (part[0] for part in networks[walk.time])
            output = slope @ walk.row
            output[:, -1] += offset
            walk.send(algebra.rounded(walk.call.name, output))
        moments = _moments(process, program.times[-1], sigma_data)
        exact, own = (np.sqrt(m.diagonal()[1 : 1 + len(maps[-1][0])]) for m in (moments, algebra.inherited))
        return _summed(maps, np.where(own < FAR * exact, np.maximum(own, exact), exact))


def _loss_by_group(program: Program) -> Iterator[Loss]:
    """What rounding costs data of the widest and of the narrowest directions of its spectrum; or of deviation 1/2, in
    the first and the last mode of its process."""
    told = program.spectrum
    if told is None:
        yield from (loss(mode(program, group)) for group in {0, max(len(program.modes) - 1, 0)})
        return
    for group in {int(told.values.argmax()), int(told.values.argmin())}:
        yield loss(mode(program, group), max(float(told.values[group]) ** 0.5, SMALL * told.deviation))


def warning(program: Program, dtype: str, unit: float) -> str | None:
    """The sentence about a run that loses more than two digits of a dtype of unit roundoff `unit`, None for others.

    program, dtype, unit   the run, what the sentence calls the dtype of its state, and the unit roundoff of that
    A dtype of 12 digits and more is not looked at: what is left is enough wherever the run itself is of use.
    """
    if unit < 1e-12:
        return None
    factor, worst = max(_loss_by_group(program))
    if factor <= MOST_LOST or factor * unit <= WORTH_SAYING:
        return None
    step = program.steps[worst]
    return (
        f"in {dtype} the rounding of this run of {program.scheme} may cost {factor * unit:.0e} of the size of the "
        f"samples, most of it in step {worst} (t = {step.start:g} to {step.end:g}); take float64, shorter steps there, "
        "or a network that predicts data or velocity where alpha is near 0."
    )


def _moments(process: Process, t: float, sigma_data: float) -> Floats:
    """Second moments (1 + k, 1 + k) of 1 and the state of the exact law at time t."""
    e, sigma = (part[0] for part in process.kernel(np.array([t])))
    mean = np.append(1.0, sigma_data * e)
    moments = np.outer(mean, mean)
    moments[1:, 1:] += sigma + sigma_data**2 * np.outer(e, e)
    return moments


def _summed(maps: list[tuple[Floats, Floats]], size: Floats) -> Loss:
    """The roundings of every step at the end of the run, over its size; maps are (inherited, roundings) of each."""
    onward, squares = np.eye(len(size)), []
    for inherited, roundings in reversed(maps):
        squares.append(np.square(onward @ roundings).sum(axis=1) / size**2)
        onward = onward @ inherited
    costs = np.nan_to_num(squares[::-1], nan=np.inf)  # of a run that leaves the finite numbers
    worst = int(costs.sum(axis=0).argmax())
    return Loss(float(np.sqrt(costs[:, worst].sum())), int(costs[:, worst].argmax()))


class _Rounded:
    """The algebra of affine maps of a step, (rows, columns): of 1, what it inherits and its noises, which are known by
    their second moments, and of its roundings, each with columns of its own."""

    def __init__(self, k: int, moments: Floats) -> None:
        self.k = k
        self.inherited = moments  # of 1 and of what the step inherits
        self.one = np.ones((1, 1))
        self._moments = moments  # of all columns that are no roundings
        self._columns: dict[str, int] = {}  # of noises and roundings
        self._sizes: dict[str, Floats] = {}

    def begin(self, unknowns: Mapping[str, int], step: ProgramStep) -> dict[str, Floats]:
        """New columns for a step, which inherits `unknowns` of so many rows each."""
        width = 1 + sum(unknowns.values())
        noises = [i.name for i in step.instructions if isinstance(i, Draw)]
        roundings = [i.name for i in step.instructions if not isinstance(i, Draw)]
        self._columns = {name: width + self.k * j for j, name in enumerate([*noises, *roundings])}
        known = width + self.k * len(noises)
        unit = np.eye(known, known + self.k * len(roundings))
        self._moments = np.eye(known)
        self._moments[:width, :width] = self.inherited
        self.one = unit[:1]
        names, first = {CONSTANT: self.one}, 1
        for name, rows in unknowns.items():
            names[name] = unit[first : first + rows]
            first += rows
        self._sizes = {name: self._size(value) for name, value in names.items()}
        return names

    def end(self, values: list[Floats]) -> tuple[Floats, Floats]:
        """What a step hands on, over what it inherited and over its roundings."""
        rows, known = np.concatenate(values), len(self._moments)
        both = np.concatenate([np.eye(1, rows.shape[1]), rows])[:, :known]
        inherited = rows[:, 1 : len(self.inherited)]
        self.inherited = both @ self._moments @ both.T
        return inherited, rows[:, known:]

    def combine(self, row: Affine, n: int, names: Mapping[str, Floats]) -> Floats:
        if not row.terms:
            return self.rounded(row.name, 0 * names[START])
        factors = np.concatenate([block for _, block in row.terms], axis=1)
        value = factors @ np.concatenate([names[source] for source, _ in row.terms])
        if len(row.terms) == 1 and np.array_equal(factors, np.eye(len(factors))):
            return self.rounded(row.name, value, np.zeros(len(value)))
        sizes = np.concatenate([self._sizes[source] for source, _ in row.terms])
        return self.rounded(row.name, value, np.sqrt(factors**2 @ sizes**2))

    def draw(self, noise: Draw, n: int, names: Mapping[str, Floats]) -> Floats:
        value, first = np.zeros((self.k, names[START].shape[1])), self._columns[noise.name]
        value[:, first : first + self.k] = noise.factor
        self._sizes[noise.name] = self._size(value)
        return value

    def rounded(self, name: str, value: Floats, by: Floats | None = None) -> Floats:
        """The value of `name` with its rounding, (rows,), by default as large as the value; it is changed in place."""
        self._sizes[name] = self._size(value)
        rows = np.arange(len(value))
        value[rows, self._columns[name] + rows] += self._sizes[name] if by is None else by
        return value

    def _size(self, value: Floats) -> Floats:
        known = value[:, : len(self._moments)]
        return np.asarray(np.sqrt(np.maximum(((known @ self._moments) * known).sum(axis=1), 0.0)))
