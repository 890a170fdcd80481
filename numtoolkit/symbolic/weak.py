"""Order in law, of the transition, and along paths of stochastic schemes, exact on affine scores.

For a Gaussian law the frozen quantity is affine, e(u, z) = J(u) z + j(u), and a step is z' = R z + r + noise of
covariance Q. R, r and Q are expanded in words of the jets of L, N, J, j and of the covariance rate and compared with
the exact SDE (Milstein & Tretyakov 2004, section 2.2). Weak order p on Gaussian laws: R, r and Q agree to weight p.
Strong order p: R, r to weight p, and the integrand of the noise along a path to weight p - 1 (Milstein's theorem: mean
h^(p+1), root mean square h^(p+1/2)). Weak order 1 then holds for every smooth law, since the local conditions of
order 1 see the score only by its value. Of the order in law from an exact marginal see `numtoolkit.symbolic.marginal`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

from numtoolkit.declare.entries import ONE, At, Const, Cov, Entry, L, N, op
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import INNER, START, Eval, Item, Noise, Place, Row
from numtoolkit.errors import InputError, counted
from numtoolkit.symbolic.condition import Condition, in_order, record
from numtoolkit.symbolic.expansions import NotAnalysedError
from numtoolkit.symbolic.history import History
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import (
    CovarianceSeries,
    Jet,
    Letter,
    Series,
    SeriesExpansion,
    Word,
    add,
    latex_letter,
    latex_power,
    multiply,
    pairs,
    powers_of_h,
    put,
    show_letter,
    show_power,
    weight,
)
from numtoolkit.symbolic.steps_back import StepInClock, expansion_of, field_of

HIGHEST = 6
Triple = tuple[Word, Letter, Word]
Sources = dict[str, Series]  # a value by what it is made of: the state now, "y", with j at a word's end, and noises
Path = dict[tuple[Word, tuple[Fraction, Fraction]], Any]  # word on a window -> polynomial in the abscissa
Defects = tuple[Field, Series, CovarianceSeries, Path | None]


@dataclass(frozen=True)
class WeakOrder:
    """weak order on Gaussian laws, strong order (None if a noise is not tied to a path), first failing residuals.

    general  whether the weak order holds for every smooth score, not only for affine ones
    doubt    how large residuals may be that are taken for 0: the digits of the scheme's numbers leave it open
    """

    weak: int
    strong: int | None
    general: bool
    residuals: list[dict[str, object]]
    doubt: Fraction = Fraction(0)

    def __repr__(self) -> str:
        law = "every smooth score" if self.general else "affine scores"
        left = f"{counted(len(self.residuals), 'residual')} of order {self.weak + 1}"
        return f"<WeakOrder {self.weak} for {law}, strong {self.strong}: {left}>"


def weak_order(scheme: Scheme, place: Place = INNER, highest: int = HIGHEST) -> WeakOrder:
    """Weak and strong order of a step of a stochastic scheme, unbound parameters symbolic.

    place    of the step in `Scheme.steps`
    highest  order that is tried
    raises   InputError for deterministic schemes
    cost     0.01 to 0.5 s, some seconds with history taken at predicted states; no sampling, no network calls
    """
    if scheme.kind != "sde":
        raise InputError(f"scheme {scheme.name} is deterministic; it has a classical order, not one in law.")
    p, (field, mean, noise, path) = first_defects(StepInClock(scheme, place=place), highest)
    words, triples = _graded(mean, field, p, weight), _graded(noise, field, p, triple_weight)
    wrong = [(show_power(k) + _show_word(w), c) for w, k, _, c in words if field.surely(c)]
    spread = [(show_power(k) + _show_triple(t), c) for t, k, _, c in triples if field.surely(c)]
    rows = wrong + spread
    weak = p - 1 if rows else p
    matched = p - 1 if wrong else p
    off = [word for (word, _), poly in (path or {}).items() if any(map(field.surely, poly))]
    strong = None if path is None else min(matched, min(map(weight, off), default=p))
    left = [c for _, _, total, c in words + triples if total <= weak and not field.surely(c)]
    doubt = max(map(field.size, left), default=Fraction(0))
    residuals = in_order([record(p, tree, field.text(value)) for tree, value in rows])
    return WeakOrder(weak, strong, weak <= 1, residuals, doubt)


@lru_cache(maxsize=1)  # two engines ask for them, one after the other
def first_defects(frame: StepInClock, highest: int = HIGHEST) -> tuple[int, Defects]:
    """The lowest order at which a step differs from the exact one, or the highest tried, and its `defects` there."""
    for p in range(1, highest + 1):
        found = field, mean, covariance, _ = defects(frame, p)
        graded = _graded(mean, field, p, weight) + _graded(covariance, field, p, triple_weight)
        if any(field.surely(value) for *_, value in graded):
            break
    return p, found


def listed(frame: StepInClock, order: int) -> tuple[Field, list[Condition]]:
    """Every condition in law to an order on affine scores: words of the mean, then those u Q v' of the covariance.

    frame   of the step of a stochastic scheme; there is no condition of order 0 that holds
    cost    as `weak_order`, at that order
    """
    field, mean, covariance, _ = defects(frame, order)
    reading = expansion_of(frame.scheme, field, order)
    drift, spread = exact_moments(frame, reading)
    words = [word for word in drift if word and not reading.vanishes(word)]
    triples = [key for key in spread if not _vanishes(key, reading)]
    found = [
        Condition(total, show_power(k) + _show_word(word), c, latex_power(k) + _latex_word(word))
        for word, k, total, c in _graded(mean, field, order, weight, words)
    ]
    found += [
        Condition(total, show_power(k) + _show_triple(key), c, latex_power(k) + _latex_triple(key))
        for key, k, total, c in _graded(covariance, field, order, triple_weight, triples)
    ]
    return field, sorted(found, key=lambda condition: condition.order)


def _graded(
    series: dict[Any, Any], field: Field, order: int, weigh: Callable[[Any], int], every: Sequence[Any] = ()
) -> list[tuple[Any, int, int, Any]]:
    """(key, power of h, order, coefficient) of what a series has to an order; a key weighs what h does not.

    every   keys with a zero where the series has nothing
    """
    left = [(key, 0, weigh(key), field.number(0)) for key in every if key not in series]
    return left + [
        (key, k, weigh(key) + k, c)
        for key, value in series.items()
        for k, c in powers_of_h(field, value, order - weigh(key))
    ]


def _latex_word(word: Word) -> str:
    return r"\,".join([*map(latex_letter, word), *([] if word and word[-1][0] == "j" else ["y"])])


def _latex_triple(key: Triple) -> str:
    left, rate, right = key
    return r"\,".join(
        [*map(latex_letter, left), latex_letter(rate), *(rf"{latex_letter(x)}^{{\top}}" for x in reversed(right))]
    )


def _show_word(word: Word) -> str:
    return " ".join(map(show_letter, word)) + ("" if word and word[-1][0] == "j" else " y")


def triple_weight(triple: Triple) -> int:
    """The power of h that a word u Q v' of a covariance comes with."""
    left, rate, right = triple
    return weight(left) + weight((rate,)) + weight(right)


def _show_triple(key: Triple) -> str:
    left, rate, right = key
    return " ".join([*map(show_letter, left), show_letter(rate), *(f"{show_letter(x)}'" for x in reversed(right))])


def defects(frame: StepInClock, order: int, values: Mapping[str, Fraction] | None = None) -> Defects:
    """Numerical minus exact one-step moments: their field, words, covariance words and path integrand.

    Words act on the state (R), or end in a jet of j (r); a covariance triple (u, Q, v) stands for u Q v'.
    frame   the step
    order   words heavier than this are dropped
    values  numbers for some of its symbols
    """
    field = field_of(frame, order, values)
    reading = expansion_of(frame.scheme, field, order)
    drift, forcing, rate = exact_jets(frame, reading)
    zero = field.number(0)
    past = _Past(frame, reading, drift, forcing)
    noises = dict(past.values(frame, order)[frame.step.out])
    mean = dict(noises.pop(START, {}))
    covariance: CovarianceSeries = {}
    for noise in frame.step.noises:
        if noise.name in noises:
            series = noises[noise.name]
            add(covariance, _sandwich(series, reading.covariance(noise.covariance), series, order))
    for back in range(1, len(past.frames)):
        # the noise of an earlier step is part of the state: it counts beside it, not where the state meets itself
        a, b = past.window(back)
        on = multiply(mean, reading.flow(drift, b, zero), order)
        state = {word: value for word, value in on.items() if not word or word[-1][0] != "j"}
        kernels = past.kernels(back, drawn=f"x{back}" in noises)
        acting: dict[str, Series] = {kind: dict(noises.get(f"{kind}{back}", {})) for kind in kernels}
        add(acting["w"], state)
        for left, right in product(kernels, repeat=2):
            own = reading.spread(kernels[left], rate, a, b, kernels[right])
            add(covariance, _sandwich(acting[left], own, acting[right], order))
        add(covariance, _negative(_sandwich(state, reading.spread(drift, rate, a, b), state, order)))
    exact_mean, exact_covariance = exact_moments(frame, reading)
    add(mean, _negative(exact_mean))
    add(covariance, _negative(exact_covariance))
    path = None if past.frames[1:] else _path_defect(frame, reading, noises, drift)
    mean = {word: value for word, value in mean.items() if not reading.vanishes(word)}
    covariance = {key: value for key, value in covariance.items() if not _vanishes(key, reading)}
    return field, mean, covariance, path


def _vanishes(triple: Triple, reading: SeriesExpansion) -> bool:
    """Whether a word u Q v' is zero on every process."""
    left, rate, right = triple
    return reading.vanishes((*left, rate)) or reading.vanishes((*right, rate))


def _negative(series: dict[Any, Any]) -> dict[Any, Any]:
    return {key: -value for key, value in series.items()}


class _Past(History[Sources]):
    """What earlier steps hand on, in terms of the state now and of the noise since then.

    The exact affine SDE gives z_n = Flow z_{n-1} + forcing + w_1, hence z_{n-1} = Flow^-1 (z_n - w_1) + ..., and so on
    back; w_m, the noise of the step m steps back, is a source like any other but is correlated with z_n. An evaluation
    at a predicted state sees x_m beside it, what the scheme drew in that step: noise of the same path under the
    scheme's linear operator. Beyond `depth` steps back predicted states are taken as exact.
    """

    def __init__(self, frame: StepInClock, reading: SeriesExpansion, drift: list[Jet], forcing: list[Jet]) -> None:
        super().__init__()
        self.reading, self.drift, self.forcing = reading, drift, forcing
        self.frames = [frame]

    def window(self, back: int) -> tuple[Any, Any]:
        scalar = self.reading.field.scalar
        return scalar(self.frames[back].origin), scalar(self.frames[back - 1].origin)

    def kernels(self, back: int, drawn: bool) -> dict[str, list[Jet]]:
        """The operator that carries each kind of noise of an earlier step to its end, the drawn one if it acts."""
        kernels = {"w": self.drift}
        for noise in self.frames[back].step.noises if drawn else ():
            whole = Cov(L, op("G"), self.frames[back].origin, self.frames[back - 1].origin)
            if noise.covariance != whole:
                raise NotAnalysedError(
                    f"the past noise {noise.name} is not that of the linear part; give it that of L."
                )
            kernels["x"] = self.reading.jets(L)
        return kernels

    def state(self, back: int) -> Sources:
        """The exact state at the start of the step `back` steps ago."""
        zero, one = self.reading.field.number(0), self.reading.field.number(1)
        while len(self.frames) <= back:
            self.frames.append(self.frames[-1].previous)
        c = self.reading.field.scalar(self.frames[back].origin)
        state = self.reading.flow(self.drift, zero, c)
        add(state, self.reading.integral(self.drift, self.forcing, [one], zero, c))
        sources = {START: state}
        for m in range(1, back + 1):
            flow = self.reading.flow(self.drift, self.window(m)[1], c)
            sources[f"w{m}"] = {word: -value for word, value in flow.items()}
        return sources

    def start(self, frame: StepInClock) -> Sources:
        return self.state(frame.back)

    def exact(self, frame: StepInClock, item: Item) -> Sources:
        if not isinstance(item, Eval):
            raise NotAnalysedError(f"it carries {item.name}, no evaluation; carry evaluations alone.")
        return self.evaluate(frame, item, self.state(frame.back - (item.of != START)))

    def combine(self, frame: StepInClock, row: Row, terms: Sequence[tuple[Entry, Sources]]) -> Sources:
        order, total = self.reading.order, Sources()
        for entry, sources in terms:
            block = self.reading.read(entry)
            for source, series in sources.items():
                add(total.setdefault(source, {}), multiply(block, series, order))
        return total

    def evaluate(self, frame: StepInClock, item: Eval, state: Sources) -> Sources:
        return _affine_network(state, self.reading.field.scalar(item.network_time), self.reading)

    def draw(self, frame: StepInClock, noise: Noise) -> Sources:
        return {f"x{frame.back}" if frame.back else noise.name: {(): self.reading.field.number(1)}}


def _affine_network(of: Sources, network_time: Any, reading: SeriesExpansion) -> Sources:
    """J(told) z + j(told), word by word in the jets of J and j."""
    powers = [reading.field.number(1)]
    for _ in range(reading.order):
        powers.append(powers[-1] * network_time)
    total: Sources = {}
    for source, series in of.items():
        found = total.setdefault(source, {})
        for k, power in enumerate(powers):
            if power:
                letter: Letter = ("J", "", k)
                fits = {(letter, *v): power * b for v, b in series.items() if k + weight(v) <= reading.order}
                add(found, fits)
    for k, power in enumerate(powers):
        if power:
            add(total.setdefault(START, {}), {(("j", "", k),): power})
    return total


def exact_moments(frame: StepInClock, reading: SeriesExpansion) -> tuple[Series, CovarianceSeries]:
    """Mean and covariance of the exact step in words, as `defects` has them; `reading` of the letters of `frame`."""
    drift, forcing, rate = exact_jets(frame, reading)
    one, zero = reading.field.number(1), reading.field.number(0)
    mean = reading.flow(drift, zero, one)
    add(mean, reading.integral(drift, forcing, [one], zero, one))
    return mean, reading.spread(drift, rate, zero, one)


def exact_jets(frame: StepInClock, reading: SeriesExpansion) -> tuple[list[Jet], list[Jet], list[Jet]]:
    """Jets of the exact drift F + q (L - F + N J), forcing q N j and rate, q = (1 + reference) / (1 + tau^2).

    L - F and N are the two parts of the score term: what q multiplies when the reference is not the SDE of the steps.
    """
    field = reading.field
    own, tau = frame.scalar(frame.scheme.reference), frame.scalar(frame.scheme.tau)
    ratio = (1 + own) / (1 + tau**2)
    reference, q = field.scalar(own), field.scalar(ratio)
    drift, forcing = [*reading.jets(ratio * L + (1 - ratio) * op("F"))], []
    for jet in reading.jets(N):
        for k in range(reading.order - jet.power):
            power = jet.power + k
            drift.append(Jet(q * jet.coefficient, (*jet.letters, ("J", "", k)), power))
            forcing.append(Jet(q * jet.coefficient, (*jet.letters, ("j", "", k)), power))
    rate = [Jet(reference * jet.coefficient, jet.letters, jet.power) for jet in reading.jets(op("Q"))]
    return drift, forcing, rate


def _sandwich(left_series: Series, covariance: CovarianceSeries, right_series: Series, order: int) -> CovarianceSeries:
    """S C T' of two operator series and a covariance."""
    half: CovarianceSeries = {}
    for u, a, (left, rate, right), c in pairs(left_series, covariance, order, triple_weight):
        put(half, (u + left, rate, right), a * c)
    found: CovarianceSeries = {}
    for v, b, (left, rate, right), c in pairs(right_series, half, order, triple_weight):
        put(found, (left, rate, v + right), c * b)
    return found


# the noise along a path


def _path_defect(
    frame: StepInClock, reading: SeriesExpansion, noises: dict[str, Series], drift: list[Jet]
) -> Path | None:
    """Numerical minus exact integrand against dW as a function of the abscissa, on each half of the step.

    Each noise is read as int Flow(s, b) g(s) dW(s) over its own window, g g' the rate: None if it cannot be, because
    its rate is scaled, its operator is not that of the exact noise, or it runs against the clock.
    """
    scheme = frame.scheme
    if scheme.exact_scalar(scheme.tau) != ONE or scheme.exact_scalar(scheme.reference) != ONE:
        return None
    one = reading.field.number(1)
    roots = [Jet(jet.coefficient, (("g", row, j),), jet.power) for jet in reading.jets(op("Q"))
             for (_, row, j) in jet.letters]  # fmt: skip
    half = Fraction(1, 2)
    halves = ((Fraction(0), half), (half, Fraction(1)))
    total: Path = {}
    for name, series in noises.items():
        noise = next(item for item in frame.step.noises if item.name == name)
        kernel = _kernel(noise.covariance, reading, roots)
        if kernel is None:
            return None
        (a, b), words = kernel
        for window in halves:
            if a <= window[0] and window[1] <= b:
                for u, x in series.items():
                    for v, poly in words:
                        _accumulate(total, (u + v, window), [x * p for p in poly])
    for window in halves:
        for tail, poly in reading.tails(drift, one):
            for root in roots:
                shifted = [reading.field.number(0)] * root.power + list(poly)
                _accumulate(total, (tail + root.letters, window), [-root.coefficient * p for p in shifted])
    return {
        key: poly
        for key, poly in total.items()
        if any(poly) and weight(key[0]) < reading.order and not reading.vanishes(key[0])
    }


def _accumulate(total: dict[Any, list[Any]], key: Any, poly: list[Any]) -> None:
    old = total.get(key, [])
    longer, shorter = (old, poly) if len(old) >= len(poly) else (poly, old)
    total[key] = [x + shorter[i] if i < len(shorter) else x for i, x in enumerate(longer)]


def _kernel(covariance: Entry, reading: SeriesExpansion, roots: list[Jet]) -> Any:
    """(window, [(word, polynomial in s)]) of a noise, or None."""
    if isinstance(covariance, At) and covariance.X == op("G") and isinstance(covariance.c, Const):
        frozen = [r for r in roots if r.power == 0]
        return (Fraction(0), Fraction(1)), [(r.letters, [r.coefficient]) for r in frozen]
    if not isinstance(covariance, Cov) or reading.letters(covariance.G) != reading.letters(op("G")):
        return None
    if not (isinstance(covariance.a, Const) and isinstance(covariance.b, Const)):
        return None
    a, b = covariance.a.value, covariance.b.value
    if not 0 <= a < b <= 1:
        return None
    words = []
    for tail, poly in reading.tails(reading.jets(covariance.L), reading.field.number(b)):
        for root in roots:
            shifted = [reading.field.number(0)] * root.power + list(poly)
            words.append((tail + root.letters, [root.coefficient * p for p in shifted]))
    return (a, b), words
