"""Whether a network predicts what is said of it, as far as its own answers show it.

Two things are asked, of a few evaluations on noise and on what the network itself makes of it:

1. Is it a denoiser? A posterior mean is at least as near to the data as the best linear function of the state, so that
   E|D - x_0|^2 <= v s^2 / (v + s^2) at every noise level s, v the variance of a coordinate of the data. As data serve
   those that are given, or what a run of five steps of DDIM makes of noise. A wrong prediction, clock or convention
   gives a D that is none, or a run that leaves every size that data have.
2. Does what it returns vary with the state as that prediction would? With D near its mean at high noise, the noise is
   nearly that of the state, the data prediction nearly constant; at all levels each prediction of the Gaussian law of
   some deviation is one linear function of the state. Where another prediction is nearer by `FACTOR` than the one that
   is said, it is named.

What passes may still be wrong: on data of unit deviation, say, little tells a velocity from a data prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from numtoolkit.arrays import Floats, cholesky, host, inverse, quiet
from numtoolkit.errors import InputError, several, warn, whole
from numtoolkit.models.by_reference import network_of
from numtoolkit.models.calls import call_of, placed
from numtoolkit.models.conditions import Conditions
from numtoolkit.problem.predictions import DATA, PREDICTIONS, Prediction, convert, prediction
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of

LEVELS = 20.0, 6.0, 2.0, 0.7, 0.25  # sigma/alpha of the five steps
SHARES = 0.5, 1.0, 2.0  # noise levels in deviations of the data, at which it is to denoise them
NUMBERS, FEWEST, MOST = 2048, 4, 32  # of all samples together; samples
EXCESS, TAIL = 1.15, 3.0  # over the linear denoiser; deviations of its mean square by luck
ROUNDING = 1e-14  # of the size of what is one and the same: its deviation by rounding
LARGEST = 1 << 24  # numbers of a sample
FACTOR = 1.5  # by which another prediction is nearer
CAP = 4.0  # of a share: what is returned may vanish at a level, as the flow of a Gaussian law does
DEVIATIONS = np.geomspace(0.05, 4, 25)  # of the Gaussian laws


@dataclass(frozen=True)
class Suspicion:
    """What the answers of a network say of what it is said to predict.

    predicts     the prediction that is said, by its name
    evaluations  of one sample
    deviation    of a coordinate of the data, of those that are given or of what the network makes of noise
    excess       mean square of x_0 - D over that of the best linear denoiser at `SHARES` of the deviation of the data;
                 NaN where that is 0 or not finite
    allowed      that no posterior mean exceeds but by luck
    misfits      by prediction: the share of what the network returns that no Gaussian law explains
    """

    predicts: str
    evaluations: int
    deviation: float
    excess: tuple[float, ...]
    allowed: float
    misfits: dict[str, float] = field(repr=False)

    @property
    def nearer(self) -> list[str]:
        """Predictions that explain the answers better by `FACTOR` than the one that is said, the nearest first."""
        own = self.misfits[self.predicts]
        return [name for name, other in sorted(self.misfits.items(), key=lambda pair: pair[1]) if own > FACTOR * other]

    @property
    def denoises(self) -> bool:
        """Whether it is as near to the data as a denoiser has to be."""
        return all(math.isfinite(each) and each <= self.allowed for each in self.excess)

    @property
    def suspected(self) -> bool:
        """Whether what is said of the network is hardly so."""
        return bool(self.nearer) or not self.denoises

    @property
    def cost(self) -> str:
        """The evaluations in words."""
        return f"{self.evaluations} evaluations of a sample"

    @property
    def _fault(self) -> str:
        """In which way it is no denoiser."""
        if self.deviation == 0:
            return "as such it makes one and the same of all noise"
        if not all(map(math.isfinite, (self.deviation, *self.excess))):
            return "a run of it as such leaves the finite numbers"
        return f"as such it leaves {max(self.excess):.3g} times the error of a linear denoiser"

    def sentence(self, name: str) -> str:
        """Why it is suspected, and what to do.

        name   of the network
        """
        reasons = [] if self.denoises else [self._fault]
        if self.nearer:
            reasons.append(f"it answers as one of {' or '.join(map(repr, self.nearer[:2]))} would")
        return (
            f"network {name} hardly predicts {self.predicts!r}, for {' and '.join(reasons)} ({self.cost}); say what it "
            "predicts, on which process, and how it is told the time."
        )


def suspicion(
    network: Any, process: Any = None, *, shape: Any = None, data: Any = None, conditions: Any = None, seed: int = 0
) -> Suspicion:
    """What the answers of a network say of what it is said to predict.

    network     a `numtoolkit.Network`, a wrapper of one, or what names one, as `numtoolkit.network_of` reads it
    process     that it was trained on, as an object or by name; None for the one that it says, or EDM where it says
                none, which is right for one that sees an observation
    shape       of a sample; None for the one that it says
    data        samples of the data (n, *shape), which say more than what the network makes of noise; None for that
    conditions  of one sample, as of `numtoolkit.sample`, the first of which all samples share
    seed        of the noise
    returns     a `Suspicion`
    raises      InputError where nothing says the shape, and as the network does
    cost        8 evaluations of a sample (3 of given data, and 5 of noise), of 4 to 32 samples: `evaluations`
    """
    network = network_of(network)
    on = process_of(process if process is not None else getattr(network, "process", None) or "edm")
    own = None if data is None else _data(data)
    event = _event(network, shape, own)
    n = min(max(math.ceil(NUMBERS / math.prod(event)), FEWEST), MOST) if own is None else min(len(own), MOST)
    ask = _asker(network, on, None if conditions is None else _first(conditions, n))
    random = np.random.default_rng(whole("seed", seed, 0))
    with np.errstate(all="ignore"):  # what overflows is an answer
        answers = _steps(ask, on, random.normal(size=(n, on.blocks, *event)))
        deviation, excess = _excess(ask, on, answers[-1].data if own is None else own[:n], random)
        said = prediction(network.predicts)
        like = [p for p in PREDICTIONS.values() if on.kind in p.kinds and p.outputs(on) == answers[0].out.shape[1]]
        misfits = {each.name: _misfit(each, on, answers) for each in dict.fromkeys([*like, said])}
    count = n * (len(LEVELS) + sum(not math.isnan(each) for each in excess))
    allowed = EXCESS + TAIL * math.sqrt(2 / (n * math.prod(event)))
    return Suspicion(said.name, count, deviation, excess, allowed, misfits)


def warn_if_suspected(network: Any, process: Any = None, **keywords: Any) -> Suspicion:
    """What the answers of a network say of it, after an InputWarning where it is suspected.

    network, process, keywords   as of `suspicion`
    """
    found = suspicion(network, process, **keywords)
    if found.suspected:
        warn(found.sentence(network.name))
    return found


class _Answer(NamedTuple):
    """What a network says of a state z (n, k, ...) at t: the output (n, q, ...), D, the noise that D leaves."""

    t: float
    z: Floats
    out: Floats
    data: Floats
    eps: Floats


def _data(data: Any) -> Floats:
    """Samples as float64 (n, *shape), two or more of finite numbers."""
    own = host("data", data)
    if own.dtype.kind not in "fiu" or own.ndim < 2 or len(own) < 2 or not np.isfinite(own).all():
        raise InputError(
            f"data are {own.dtype} of shape {own.shape}; give two samples or more of finite numbers, (n, *shape)."
        )
    if (own == own[:1]).all():
        raise InputError(f"data are {len(own)} times one sample, which tells no denoiser; give others.")
    return own.astype(np.float64)


def _first(conditions: Any, n: int) -> Conditions:
    """The first of the conditions for each of n samples."""
    own = Conditions(conditions)
    if not len(own):
        raise InputError("conditions are empty; give that of one sample.")
    return own.rows([0] * n)


def _event(network: Any, shape: Any, data: Floats | None) -> tuple[int, ...]:
    given = shape if shape is not None else network.shape
    if given is None and data is not None:
        given = data.shape[1:]
    if given is None:
        raise InputError(f"network {network.name} does not say the shape of a sample; give shape=.")
    event = tuple(
        whole("shape", n, 1, LARGEST) for n in ([given] if isinstance(given, int) else several("shape", given))
    )
    if math.prod(event) > LARGEST or not event:
        raise InputError(f"shape = {event} has no number or more than {LARGEST}; give that of a sample.")
    if data is not None and data.shape[1:] != event:
        raise InputError(f"data have samples of shape {data.shape[1:]}, but the network takes {event}; give others.")
    return event


def _asker(network: Any, process: Process, conditions: Conditions | None) -> Ask:
    """What asks a network of data x (n, *event) with the noise eps (n, k, *event) at the time t."""
    call, put = call_of(network, process, conditions), placed(network)

    def ask(x: Floats, eps: Floats, t: float) -> _Answer:
        e, sigma = (part[0] for part in process.kernel(np.array([t])))
        root = cholesky(sigma[None])[0]
        blocks = [e[j] * x + sum(root[j, i] * eps[:, i] for i in range(j + 1)) for j in range(process.blocks)]
        given = [put(block) for block in blocks]
        with quiet(given[0]):
            out = [np.asarray(host("output", part), dtype=np.float64) for part in call(given, t)]
        P, Q = (part[0] for part in convert(network.predicts, DATA, process, np.array([t])))
        data = sum(c * own for c, own in [*zip(P[0], blocks, strict=True), *zip(Q[0], out, strict=True)])
        back = inverse(root[None])[0]
        rest = [own - e[j] * data for j, own in enumerate(blocks)]
        left = [sum(back[i, j] * rest[j] for j in range(i + 1)) for i in range(process.blocks)]
        return _Answer(t, np.stack(blocks, 1), np.stack(out, 1), data, np.stack(left, 1))

    return ask


Ask = Callable[[Floats, Floats, float], _Answer]


def _asked(process: Process, levels: Sequence[float]) -> tuple[Floats, Floats]:
    """The noise levels, none above half the highest of the process, and their times."""
    s = np.minimum(levels, float(process.level(np.array([process.T]))[0]) / 2)
    return s, process.time_of_level(s)


def _steps(ask: Ask, process: Process, eps: Floats) -> list[_Answer]:
    """What the network says in five steps of DDIM from the noise eps (n, k, *event)."""
    x, answers = np.zeros((len(eps), *eps.shape[2:])), []
    for t in _asked(process, LEVELS)[1].tolist():
        answers.append(ask(x, eps, t))
        x, eps = answers[-1].data, answers[-1].eps
    return answers


def _excess(ask: Ask, process: Process, x: Floats, random: np.random.Generator) -> tuple[float, tuple[float, ...]]:
    """The deviation of x, and the mean square of x - D over v s^2 / (v + s^2) at `SHARES` of it.

    NaN where the deviation is 0 or not finite, and nothing is asked; inf where an answer is not finite.
    """
    variance = float(np.mean((x - x.mean(0)) ** 2)) * len(x) / (len(x) - 1)
    if variance <= ROUNDING**2 * float(np.mean(x**2)):
        variance = 0.0
    deviation = math.sqrt(variance) if variance >= 0 else math.nan
    if not 0 < variance < math.inf:
        return deviation, (math.nan,) * len(SHARES)
    found = []
    for s, t in np.stack(_asked(process, [share * deviation for share in SHARES]), 1).tolist():
        answer = ask(x, random.normal(size=(len(x), process.blocks, *x.shape[1:])), t)
        square = float(np.mean((answer.data - x) ** 2)) * (variance + s**2) / (variance * s**2)
        found.append(square if math.isfinite(square) else math.inf)
    return deviation, tuple(found)


def _misfit(said: Prediction, process: Process, answers: list[_Answer]) -> float:
    """The mean share of the outputs that the best Gaussian law leaves unexplained by that prediction of it."""
    rows = [_shares(said, process, answer) for answer in answers]
    return float(np.nan_to_num(np.mean(rows, 0), nan=np.inf).min())


def _shares(said: Prediction, process: Process, answer: _Answer) -> Floats:
    """|out - A z|^2 / |out|^2, at most `CAP`, over the samples, each less its mean, A that of each of `DEVIATIONS`."""
    z, out = (np.moveaxis(part - part.mean(0), 1, 0).reshape(part.shape[1], -1) for part in (answer.z, answer.out))
    zz, oz, oo = z @ z.T, out @ z.T, float((out * out).sum())
    e, sigma = (part[0] for part in process.kernel(np.array([answer.t])))
    by_state, by_score = (part[0] for part in said.from_score(process, np.array([answer.t])))
    A = by_state - by_score @ inverse(sigma + DEVIATIONS[:, None, None] ** 2 * np.outer(e, e))
    left = oo - 2 * (A * oz).sum((1, 2)) + (A @ zz * A).sum((1, 2))
    return np.minimum(left / oo, CAP) if oo else np.full(len(DEVIATIONS), CAP)
