"""Order in law and along paths of stochastic schemes, exact on affine scores.

For a Gaussian law the frozen quantity is affine, e(u, z) = J(u) z + j(u), and a step is z' = R z + r + noise of
covariance Q. R, r and Q are expanded in words of the jets of L, N, J, j and of the covariance rate and compared with
the exact SDE (Milstein & Tretyakov 2004, section 2.2). Weak order p on Gaussian laws: R, r and Q agree to weight p.
Strong order p: R, r to weight p, and the integrand of the noise along a path to weight p - 1 (Milstein's theorem: mean
h^(p+1), root mean square h^(p+1/2)). Weak order 1 then holds for every smooth law, since the local conditions of
order 1 see the score only by its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numtoolkit.entries import At, Const, Cov, Entry, L, N, op
from numtoolkit.errors import InputError
from numtoolkit.scheme import START, Noise, Row, Scheme
from numtoolkit.symbolic.fields import Field
from numtoolkit.symbolic.series import CovarianceSeries, Jet, Letter, Reading, Series, Word, add, weight
from numtoolkit.symbolic.unroll import layout_symbols, reading_of

HIGHEST = 6
Path = dict[tuple[Word, tuple[Fraction, Fraction]], Any]  # word on a window -> polynomial in the abscissa


@dataclass(frozen=True)
class LawOrder:
    """weak order on Gaussian laws, strong order (None if a noise is not tied to a path), first failing residuals.

    general  whether the weak order holds for every smooth score, not only for affine ones
    """

    weak: int
    strong: int | None
    general: bool
    residuals: list[dict[str, object]]


def law_order(scheme: Scheme, highest: int = HIGHEST) -> LawOrder:
    """Weak and strong order of a stochastic scheme's inner step, unbound parameters symbolic.

    raises   InputError for deterministic and for multistep schemes
    cost     0.01 to 0.5 s; no sampling, no network calls
    """
    if scheme.kind != "sde":
        raise InputError(f"scheme {scheme.name} is deterministic; it has a classical order, not one in law.")
    if scheme.step.needs:
        raise InputError(f"scheme {scheme.name} carries values between steps; its order in law is not analysed.")
    for p in range(1, highest + 1):
        field, mean, noise, path = defects(scheme, p)
        rows = [(_show_word(w), value) for w, value in mean.items()]
        rows += [(_show_triple(key), value) for key, value in noise.items()]
        if rows:
            break
    weak = p - 1 if rows else p
    matched = min(map(weight, mean), default=p + 1) - 1
    strong = None if path is None else min(matched, min((weight(word) for word, _ in path), default=p))
    residuals = [{"order": p, "tree": tree, "value": field.text(value)} for tree, value in rows]
    return LawOrder(weak, strong, weak <= 1, sorted(residuals, key=lambda r: (len(str(r["tree"])), str(r["tree"]))))


def _show_word(word: Word) -> str:
    return " ".join(map(_letter, word)) + ("" if word and word[-1][0] == "j" else " y")


def _show_triple(key: tuple[Word, Letter, Word]) -> str:
    left, rate, right = key
    return " ".join([*map(_letter, left), _letter(rate), *(f"{_letter(x)}'" for x in reversed(right))])


def _letter(letter: Letter) -> str:
    name, row, jet = letter
    return f"{name}{jet or ''}{'.' + row if row else ''}"


def defects(scheme: Scheme, order: int) -> tuple[Field, Series, CovarianceSeries, Path | None]:
    """Numerical minus exact one-step moments: their field, words, covariance words and path integrand.

    Words act on the state (R), or end in a jet of j (r); a covariance triple (u, Q, v) stands for u Q v'.
    """
    layout = scheme.exact()
    field = Field(layout_symbols(layout))
    reading = reading_of(scheme, field, order)
    mean, noises = _numerical(scheme, reading)
    covariance: CovarianceSeries = {}
    for name, series in noises.items():
        noise = next(item for item in layout.noises if item.name == name)
        add(covariance, _sandwich(series, reading.covariance(noise.covariance), order))
    drift, forcing, rate = _exact_jets(scheme, reading)
    one, zero = field.number(1), field.number(0)
    add(mean, _negative(reading.flow(drift, zero, one)))
    add(mean, _negative(reading.integral(drift, forcing, [one], zero, one)))
    add(covariance, _negative(reading.spread(drift, rate, zero, one)))
    return field, mean, covariance, _path_defect(scheme, reading, noises, drift)


def _negative(series: dict[Any, Any]) -> dict[Any, Any]:
    return {key: -value for key, value in series.items()}


def _numerical(scheme: Scheme, reading: Reading) -> tuple[Series, dict[str, Series]]:
    """The new state as words on the old one and on j, and for each noise the words that act on it."""
    one = reading.field.number(1)
    layout = scheme.exact()
    values: dict[str, dict[str, Series]] = {START: {START: {(): one}}}
    for item in layout.items:
        if isinstance(item, Noise):
            values[item.name] = {item.name: {(): one}}
        elif isinstance(item, Row):
            values[item.name] = _combine(
                [(reading.read(entry), values[source]) for source, entry in item.terms], reading
            )
        else:
            values[item.name] = _affine_network(values[item.of], reading.field.scalar(item.told), reading)
    final = values[layout.out]
    return final.pop(START, {}), final


def _combine(terms: Sequence[tuple[Series, dict[str, Series]]], reading: Reading) -> dict[str, Series]:
    total: dict[str, Series] = {}
    for block, sources in terms:
        for source, series in sources.items():
            found = total.setdefault(source, {})
            for u, a in block.items():
                add(found, {u + v: a * b for v, b in series.items() if weight(u) + weight(v) <= reading.order})
    return total


def _affine_network(of: dict[str, Series], told: Any, reading: Reading) -> dict[str, Series]:
    """J(told) z + j(told), word by word in the jets of J and j."""
    powers = [reading.field.number(1)]
    for _ in range(reading.order):
        powers.append(powers[-1] * told)
    total: dict[str, Series] = {}
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


def _exact_jets(scheme: Scheme, reading: Reading) -> tuple[list[Jet], list[Jet], list[Jet]]:
    """Jets of the exact drift L + q N J, forcing q N j and covariance rate, q = (1 + reference) / (1 + tau^2)."""
    field = reading.field
    reference = field.scalar(scheme.reference)
    if reference != field.number(scheme.tau**2) and scheme.frozen not in ("noise", "score"):
        raise InputError(f"scheme {scheme.name}: a reference other than tau^2 needs frozen noise or score.")
    q = (1 + reference) / field.number(1 + scheme.tau**2)
    drift, forcing = list(reading.jets(L)), []
    for jet in reading.jets(N):
        for k in range(reading.order - jet.power):
            power = jet.power + k
            drift.append(Jet(q * jet.coefficient, (*jet.letters, ("J", "", k)), power))
            forcing.append(Jet(q * jet.coefficient, (*jet.letters, ("j", "", k)), power))
    rate = [Jet(reference * jet.coefficient, jet.letters, jet.power) for jet in reading.jets(op("Q"))]
    return drift, forcing, rate


def _sandwich(series: Series, covariance: CovarianceSeries, order: int) -> CovarianceSeries:
    """S C S' of an operator series and a covariance."""
    found: CovarianceSeries = {}
    for u, a in series.items():
        for v, b in series.items():
            for (left, rate, right), c in covariance.items():
                if weight(u) + weight(v) + weight(left) + weight((rate,)) + weight(right) <= order:
                    add(found, {(u + left, rate, v + right): a * b * c})
    return found


# the noise along a path


def _path_defect(scheme: Scheme, reading: Reading, noises: dict[str, Series], drift: list[Jet]) -> Path | None:
    """Numerical minus exact integrand against dW as a function of the abscissa, on each half of the step.

    Each noise is read as int Flow(s, b) g(s) dW(s) over its own window, g g' the rate: None if it cannot be, because
    its rate is scaled, its operator is not that of the exact noise, or it runs against the clock.
    """
    if reading.field.scalar(scheme.reference) != reading.field.number(scheme.tau**2) or scheme.tau != 1:
        return None
    one = reading.field.number(1)
    roots = [Jet(jet.coefficient, (("g", row, j),), jet.power) for jet in reading.jets(op("Q"))
             for (_, row, j) in jet.letters]  # fmt: skip
    half = Fraction(1, 2)
    halves = ((Fraction(0), half), (half, Fraction(1)))
    total: Path = {}
    for name, series in noises.items():
        noise = next(item for item in scheme.exact().noises if item.name == name)
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
    return {key: poly for key, poly in total.items() if any(poly) and weight(key[0]) < reading.order}


def _accumulate(total: dict[Any, list[Any]], key: Any, poly: list[Any]) -> None:
    old = total.get(key, [])
    longer, shorter = (old, poly) if len(old) >= len(poly) else (poly, old)
    total[key] = [x + shorter[i] if i < len(shorter) else x for i, x in enumerate(longer)]


def _kernel(covariance: Entry, reading: Reading, roots: list[Jet]) -> Any:
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
