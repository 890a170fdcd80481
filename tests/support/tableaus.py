"""Explicit Runge-Kutta tableaus of the literature, as (c, A, b) in the numbers that were printed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from numtoolkit.declare.entries import N, at, number, sqrt
from numtoolkit.declare.forms import combine, evaluate, runge_kutta, written
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.declare.steps import Step, Steps

Tableau = tuple[Sequence[Any], Sequence[Sequence[Any]], Sequence[Any]]


def plain(name: str, steps: Step | Steps, claim: int | None = None, **changed: Any) -> Scheme:
    """A scheme of the whole drift in process time."""
    claims = Claims(classical=claim)
    return Scheme(name, "classical", "a book", steps, frozen="drift", clock="time", claims=claims, **changed)


def book(name: str, tableau: Tableau, claim: int | None = None) -> Scheme:
    """A tableau as a scheme, without the stages that its weights do not use."""
    c, A, b = (
        [*map(_read, part)] if i != 1 else [[*map(_read, row)] for row in part] for i, part in enumerate(tableau)
    )
    while unused := [j for j in range(len(b)) if not b[j] and not any(row[j] for row in A[j + 1 :])]:
        j = unused[-1]
        del A[j], b[j], c[j]
        for row in A[j:]:
            del row[j]
    return plain(name, runge_kutta(c, A, b), claim)


def _read(value: Any) -> Any:
    return 0 if value in (0, "0") else value


def rows(*texts: str) -> list[list[str]]:
    """Rows of numbers, each given in one text."""
    return [text.split() for text in texts]


def digits(tableau: Tableau, places: int) -> Tableau:
    """A tableau of rationals as decimals, those that end before their last place exact."""

    def decimal(value: Any) -> Any:
        exact = Fraction(value)
        return exact if (exact * 2**12).denominator == 1 else f"{float(exact):.{places}f}"

    c, A, b = tableau
    return list(map(decimal, c)), [list(map(decimal, row)) for row in A], list(map(decimal, b))


RK4: Tableau = ("0 1/2 1/2 1".split(), rows("", "1/2", "0 1/2", "0 0 1"), "1/6 1/3 1/3 1/6".split())
KUTTA_3_8: Tableau = ("0 1/3 2/3 1".split(), rows("", "1/3", "-1/3 1", "1 -1 1"), "1/8 3/8 3/8 1/8".split())
NSSP_32: Tableau = ("0 1/3 1".split(), rows("", "1/3", "0 1"), "1/2 0 1/2".split())  # Wang & Spiteri 2007

# Dormand & Prince 1980
DP5: Tableau = (
    "0 1/5 3/10 4/5 8/9 1".split(),
    rows(
        "",
        "1/5",
        "3/40 9/40",
        "44/45 -56/15 32/9",
        "19372/6561 -25360/2187 64448/6561 -212/729",
        "9017/3168 -355/33 46732/5247 49/176 -5103/18656",
    ),
    "35/384 0 500/1113 125/192 -2187/6784 11/84".split(),
)

# Cash & Karp 1990
CASH_KARP: Tableau = (
    "0 1/5 3/10 3/5 1 7/8".split(),
    rows(
        "",
        "1/5",
        "3/40 9/40",
        "3/10 -9/10 6/5",
        "-11/54 5/2 -70/27 35/27",
        "1631/55296 175/512 575/13824 44275/110592 253/4096",
    ),
    "37/378 0 250/621 125/594 0 512/1771".split(),
)
CASH_KARP_4 = (*CASH_KARP[:2], "2825/27648 0 18575/48384 13525/55296 277/14336 1/4".split())
CASH_KARP_TYPO = (*CASH_KARP[:2], "2825/27648 0 18574/48384 13525/55296 277/14336 1/4".split())

# Fehlberg 1969
RKF45: Tableau = (
    "0 1/4 3/8 12/13 1 1/2".split(),
    rows(
        "",
        "1/4",
        "3/32 9/32",
        "1932/2197 -7200/2197 7296/2197",
        "439/216 -8 3680/513 -845/4104",
        "-8/27 2 -3544/2565 1859/4104 -11/40",
    ),
    "16/135 0 6656/12825 28561/56430 -9/50 2/55".split(),
)
RKF45_4 = (*RKF45[:2], "25/216 0 1408/2565 2197/4104 -1/5 0".split())

# Fehlberg 1968
RKF78: Tableau = (
    "0 2/27 1/9 1/6 5/12 1/2 5/6 1/6 2/3 1/3 1 0 1".split(),
    rows(
        "",
        "2/27",
        "1/36 1/12",
        "1/24 0 1/8",
        "5/12 0 -25/16 25/16",
        "1/20 0 0 1/4 1/5",
        "-25/108 0 0 125/108 -65/27 125/54",
        "31/300 0 0 0 61/225 -2/9 13/900",
        "2 0 0 -53/6 704/45 -107/9 67/90 3",
        "-91/108 0 0 23/108 -976/135 311/54 -19/60 17/6 -1/12",
        "2383/4100 0 0 -341/164 4496/1025 -301/82 2133/4100 45/82 45/164 18/41",
        "3/205 0 0 0 0 -6/41 -3/205 -3/41 3/41 6/41 0",
        "-1777/4100 0 0 -341/164 4496/1025 -289/82 2193/4100 51/82 33/164 12/41 0 1",
    ),
    "0 0 0 0 0 34/105 9/35 9/35 9/280 9/280 0 41/840 41/840".split(),
)
RKF78_7 = (*RKF78[:2], "41/840 0 0 0 0 34/105 9/35 9/35 9/280 9/280 41/840 0 0".split())

# Lambert 1973
LAMBERT: Tableau = (
    "0 1/2 1/4 1/2 3/4 1".split(),
    rows("", "1/2", "3/16 1/16", "0 0 1/2", "0 -3/16 3/8 9/16", "1/7 4/7 6/7 -12/7 8/7"),
    "7/90 0 16/45 2/15 16/45 7/90".split(),
)

# Tsitouras 2011, decimals as published; the short ones are exact
TSIT5: Tableau = (
    ["0", "161/1000", "327/1000", "9/10", "0.9800255409045097", "1"],
    rows(
        "",
        "161/1000",
        "-0.008480655492356989 0.335480655492357",
        "2.8971530571054935 -6.359448489975075 4.3622954328695815",
        "5.325864828439257 -11.748883564062828 7.4955393428898365 -0.09249506636175525",
        "5.86145544294642 -12.92096931784711 8.159367898576159 -0.071584973281401 -0.028269050394068383",
    ),
    "0.09646076681806523 1/100 0.4798896504144996 1.379008574103742 -3.290069515436081 2.324710524099774".split(),
)

_q, _half = sqrt(21), Fraction(1, 2)
_up, _down = (7 + _q) / 14, (7 - _q) / 14
# Cooper & Verner 1972, in Q(sqrt 21)
COOPER_VERNER: Tableau = (
    [0, _half, _half, _up, _up, _half, _down, _down, _half, _up, 1],
    [
        [],
        [_half],
        [_half / 2, _half / 2],
        [Fraction(1, 7), (-7 - 3 * _q) / 98, (21 + 5 * _q) / 49],
        [(11 + _q) / 84, 0, (18 + 4 * _q) / 63, (21 - _q) / 252],
        [(5 + _q) / 48, 0, (9 + _q) / 36, (-231 + 14 * _q) / 360, (63 - 7 * _q) / 80],
        [
            (10 - _q) / 42,
            0,
            (-432 + 92 * _q) / 315,
            (633 - 145 * _q) / 90,
            (-504 + 115 * _q) / 70,
            (63 - 13 * _q) / 35,
        ],
        [Fraction(1, 14), 0, 0, 0, (14 - 3 * _q) / 126, (13 - 3 * _q) / 63, Fraction(1, 9)],
        [
            Fraction(1, 32),
            0,
            0,
            0,
            (91 - 21 * _q) / 576,
            Fraction(11, 72),
            (-385 - 75 * _q) / 1152,
            (63 + 13 * _q) / 128,
        ],
        [
            Fraction(1, 14),
            0,
            0,
            0,
            Fraction(1, 9),
            (-733 - 147 * _q) / 2205,
            (515 + 111 * _q) / 504,
            (-51 - 11 * _q) / 56,
            (132 + 28 * _q) / 245,
        ],
        [
            0,
            0,
            0,
            0,
            (-42 + 7 * _q) / 18,
            (-18 + 28 * _q) / 45,
            (-273 - 53 * _q) / 72,
            (301 + 53 * _q) / 72,
            (28 - 28 * _q) / 45,
            (49 - 7 * _q) / 18,
        ],
    ],
    [Fraction(1, 20), 0, 0, 0, 0, 0, 0, Fraction(49, 180), Fraction(16, 45), Fraction(49, 180), Fraction(1, 20)],
)


def ssp_53() -> Scheme:
    """SSP(5,3) of Spiteri & Ruuth 2002 as convex combinations of Euler steps, in the decimals of the paper."""
    a30, a32, a40 = map(number, "0.355909775063327 0.644090224936674 0.367933791638137".split())
    a43, a52, a54 = map(number, "0.632066208361863 0.237593836598569 0.762406163401431".split())
    b10, b32, b43, b54 = map(number, "0.377268915331368 0.242995220537396 0.238458932846290 0.287632146308408".split())
    c1, c2 = b10, 2 * b10
    c3 = a32 * c2 + b32
    c4 = a43 * c3 + b43
    items = [
        evaluate("E0"),
        combine("Y1", c1, y=1, E0=b10 * at(N, c1)),
        evaluate("E1", "Y1", c1),
        combine("Y2", c2, Y1=1, E1=b10 * at(N, c2)),
        evaluate("E2", "Y2", c2),
        combine("Y3", c3, y=a30, Y2=a32, E2=b32 * at(N, c3)),
        evaluate("E3", "Y3", c3),
        combine("Y4", c4, y=a40, Y3=a43, E3=b43 * at(N, c4)),
        evaluate("E4", "Y4", c4),
        combine("out", 1, Y2=a52, Y4=a54, E4=b54 * at(N, 1)),
    ]
    return plain("ssp-5-3", written(items, "out"), 3)
