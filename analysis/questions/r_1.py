"""R.1 (arXiv:2308.02157): why does the logarithm of the noise level make the path smooth, and how smooth is it?

In lambda = -log s the flow is x' = -x + D, and what a scheme freezes over a step is the data prediction D or the
noise prediction e. Of Gaussian data, D changes at most by 2 / (3 sqrt 3) times the distance of the end of the path
from the mean, whatever the variance; in the noise level itself the slope of the flow changes by up to 1/v times that
distance. So the logarithm is what makes one step length serve all scales at once: a law with variances from 1 to
10^-3 has the bound of one of them. The reason that the paper gives, a derivative that grows without bound as s falls
to 0, is none: it stays below 1/v times the distance, and of data on points e rests near the end.

Of any law,

    dD / dlambda = J (x - D) - kappa_3 / s^2,    J = Cov(x_0 | x) / s^2,    kappa_3 = E[(x_0 - D) |x_0 - D|^2 | x],

so it takes a third cumulant of the posterior beside J, and there is no bound that holds for all laws. Two narrow
modes at +-a of variance v show it: between them D turns from one to the other in little time, and the greatest slope
over a is (2 / (3 sqrt 3))^3 a^2 / v, at s^2 = 2 v. There u = a x / (v + s^2) is of size one and D = (1 - J) a tanh u,
J = v / (v + s^2), so the slope is (a^3 / v) J (1 - J)^2 (1 - tanh^2 u) tanh u, greatest at J = 1/3 and tanh^2 u =
1/3. Few paths meet it: at that level about exp(-a^2 / (6 v)) of the density is left between the modes. A scheme's
step meets typical paths, whose slopes the table has: one to three times the Gaussian bound. A trained network is
another case: it goes on changing at high noise, where every law rests, and there a long step has no ground in the
law.

**Open:** bounds for laws by what can be known of them, such as cumulants of their posteriors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.questions.common import Curve, Panel, Record, Tables, derived, panels_figure
from numtoolkit import law_of, local_error
from numtoolkit.measure.slopes import data_slope, path_slopes
from numtoolkit.symbolic.gaussian_path import largest_slope, path_derivative

LAWS = (
    "anisotropic",
    "student",
    "mixture()",
    "natural(components=16)",
    "digits",
    "network:digits-image",
    "network:patches-image",
)
QUANTITIES = {"data": "D in log s", "noise": "e in log s", "slope": "e in s"}
SEEDS, STEPS = range(64), 800
WIDTHS, HALF = (0.3, 0.15, 0.075, 0.0375, 0.02), 0.6  # deviations of the two modes, and half of what lies between them
PLACES = 18  # of the noise levels of the picture
PATHS = (
    "Greatest change along a path, in the units that the bounds of Gaussian data have, median and greatest of 64 paths"
)
MODES = "Two modes at +-a: the greatest change of D in log s over a"
ALONG = "Change of D in log s over the distance, at the noise levels s of the columns, mean of 64 paths"


def statement() -> list[str]:
    """The bounds of Gaussian data, the identity of all laws, and the two narrow modes."""
    import sympy

    root, third = sympy.sqrt(3), sympy.Rational(1, 3)
    data, noise, slope = (largest_slope(quantity) for quantity in QUANTITIES)
    t, J = sympy.symbols("t J", positive=True)
    greatest = [sympy.Max(*(own.subs(x, at) for at in sympy.solve(sympy.diff(own, x), x))) for own, x in
                ((t * (1 - t**2), t), (J * (1 - J) ** 2, J))]  # fmt: skip
    step = {row["tree"]: row["value"] for row in local_error("ddim").table()}
    return [
        derived(
            data == (2 / (3 * root), third) and sympy.expand(path_derivative("data") - sympy.sqrt(J) * (1 - J)) == 0,
            "Gaussian data: |dD / dlambda| = sqrt(J) (1 - J) |x_0 - m| with J = v / (v + s^2), which is at most "
            "2 / (3 sqrt 3) |x_0 - m|, at J = 1/3, whatever v.",
        ),
        derived(
            noise == (2 / (3 * root), 2 * third),
            "The noise prediction: |de / dlambda| = J sqrt(1 - J) |x_0 - m| / sqrt(v), of the same greatest value, at "
            "J = 2/3.",
        ),
        derived(
            slope == (1, 1) and path_derivative("slope").as_base_exp()[1] == sympy.Rational(3, 2),
            "In the noise level: |de / ds| = J^(3/2) |x_0 - m| / v, greatest at s = 0: |x_0 - m| / v, finite for "
            "v > 0.",
        ),
        derived(
            set(step.values()) == {"-1/2"} and set(step) == {"N e_t", "N e'[N e]"},
            "What a step of exponential Euler misses is -h^2/2 times the change of what it freezes along the path, and "
            "nothing else: a change half as fast leaves half the defect at equal steps.",
        ),
        derived(
            _cumulants() == [0, 0],
            "dD / dlambda = J (x - D) - kappa_3 / s^2, by expansion for three points of the plane with any weights.",
        ),
        derived(
            sympy.prod(greatest) == sympy.Rational(8, 27) / (3 * root) and greatest[1] == sympy.Rational(4, 27),
            "Two modes: the greatest of (1 - t^2) t is 2 / (3 sqrt 3) and that of J (1 - J)^2 is 4/27, together "
            "(2 / (3 sqrt 3))^3.",
        ),
    ]  # fmt: skip


def _cumulants() -> list[Any]:
    """dD / dlambda less J (x - D) - kappa_3 / s^2, three points of the plane of any shares p of the posterior.

    A share is exp(<a, x> / s^2 - |a|^2 / (2 s^2)) over the sum of these, dx / dlambda = D - x and ds / dlambda = -s.
    """
    import sympy

    points = [sympy.Matrix(sympy.symbols(f"a{i}_:2")) for i in range(3)]
    x, s = sympy.Matrix(sympy.symbols("x:2")), sympy.Symbol("s", positive=True)
    p = sympy.symbols("p:2")
    shares = [*p, 1 - sum(p)]
    D = sum((w * a for w, a in zip(shares, points, strict=True)), sympy.zeros(2, 1))
    rates = [(a.dot(D - x) + 2 * a.dot(x) - a.dot(a)) / s**2 for a in points]
    mean = sum(w * own for w, own in zip(shares, rates, strict=True))
    change = sum((w * (own - mean) * a for w, own, a in zip(shares, rates, points, strict=True)), sympy.zeros(2, 1))
    apart = [a - D for a in points]
    J = sum((w * e * e.T for w, e in zip(shares, apart, strict=True)), sympy.zeros(2, 2)) / s**2
    kappa = sum((w * e.dot(e) * e for w, e in zip(shares, apart, strict=True)), sympy.zeros(2, 1))
    return [sympy.expand(own) for own in change - J * (x - D) + kappa / s**2]


def numbers(quick: bool = False) -> Tables:
    """Slopes along paths of laws and networks, where they are largest, and those between two modes."""
    slopes = {law: path_slopes(law, SEEDS, STEPS) for law in (LAWS[:3] if quick else LAWS)}
    paths, along = [], []
    for law, own in slopes.items():
        row: Record = {"law": law}
        for quantity, name in QUANTITIES.items():
            most = getattr(own, quantity).max(axis=0)
            row |= {f"{name}, median": float(np.median(most)), f"{name}, greatest": float(most.max())}
        paths.append(row)
        places = np.linspace(0, STEPS - 1, PLACES).round().astype(int)
        changes = own.data[places].mean(axis=1).round(6).tolist()
        along.append({"law": law} | {f"{own.levels[i]:.3g}": c for i, c in zip(places, changes, strict=True)})
    return {PATHS: paths, MODES: [modes(width) for width in (WIDTHS[:1] if quick else WIDTHS)], ALONG: along}


def modes(width: float) -> Record:
    """The greatest change between two modes of a deviation, over half of what lies between them."""
    law = law_of(f"two-modes(weight=0.5, separation={2 * HALF}, std={width})")
    y = np.linspace(0.0, 2.0 * HALF, 4001)[:, None]
    most = max(float(np.abs(data_slope(law, y, float(s))).max()) for s in width * np.geomspace(0.5, 8.0, 120))
    ratio = (HALF / width) ** 2
    return {"deviation": width, "a^2 / v": ratio, "measured": most / HALF, "limit": (2 / (3 * 3**0.5)) ** 3 * ratio,
            "exp(-a^2 / 6v)": float(np.exp(-ratio / 6))}  # fmt: skip


def picture(tables: Tables) -> Any:
    """Slopes along the way of each law, and those of two modes."""
    along = [Curve(row["law"], [float(s) for s in list(row)[1:]], list(row.values())[1:]) for row in tables[ALONG]]
    rows = tables[MODES]
    x = [row["a^2 / v"] for row in rows]
    bounds = [Curve("measured", x, [row["measured"] for row in rows]),
              Curve("(2 / (3 sqrt 3))^3 a^2 / v", x, [row["limit"] for row in rows], marked=False)]  # fmt: skip
    what = "|dD / dlog s| over the distance"
    return panels_figure(
        [
            Panel(
                "along paths, mean of 64; dotted: Gaussian bound",
                along,
                "noise level s",
                what,
                "x",
                2 / (3 * 3**0.5),
            ),
            Panel("greatest between two modes", bounds, "a^2 / v", what),
        ],
        "Does the data prediction change slowly in log-SNR, of Gaussian data and others?",
    )
