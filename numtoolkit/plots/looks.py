"""One colour and marker a scheme, in every figure: a table of the catalogue, and a rule for what is not in it.

Schemes of one row share a colour, those of one column a marker; no two share both. Schemes that stand in one figure of
the repository lie in different rows and columns, but for a few pairs. In grey, marker and dashes tell them apart; which
dashes a curve has, the figure decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from zlib import crc32

MARKERS = "os^Dv*PX<>"  # of the columns
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1)),
    (0, (6, 1.5, 1.5, 1.5)),
)  # of the rows in turn, where free
LOOKS = (  # rows in the order of the colours of numtoolkit.mplstyle
    ("gddim-pc", "er-sde", "rbf-solver", "", "sscs-midpoint", "seeds-3", "rk4", "deis-rhoab", "ddim", "etd3rk"),
    ("lambda-ddim-2", "dpm2-churn", "gradient-est-cfgpp", "noba", "rse",
     "etd4rk", "iia-dpmpp-2m", "", "seeds-2", "unipc"),
    ("dpmpp-2sa-cfgpp", "lawson-4", "sa-solver", "dpm-solver-3", "", "iia-ddim", "nvv", "dpmpp-2m", "", "em"),
    ("res-2m-ancestral", "spndm", "coba", "res-3m", "lawson-2",
     "euler-ancestral", "stork-2", "", "gauss-fit-2m", "cse"),
    ("iia-ipndm", "strehmel-weiner-4", "rvv-unshifted", "dpm2-ancestral", "heun-edm",
     "rbao", "dpmpp-3m", "cvv", "dopri5", "res-2m-cfgpp"),
    ("robab", "gddim", "dpmpp-2s", "biia-edm", "bs32",
     "ipndm", "euler-ancestral-cfgpp", "seeds-1", "dpmpp-3m-corrected", ""),
    ("", "res-2m", "gframe-abm", "dpmpp-sde", "res-2s-churn", "nse", "sscs", "res-3s", "ddim-cfgpp", "iia-spndm"),
    ("exp-adams", "nbao", "rvv", "hochbruck-ostermann-4", "",
     "lambda-ddim-1", "sde-dpmpp-2m", "iia-edm", "pndm", "dpm-solver-2"),
    ("krogstad-4", "gframe-ab", "heun-edm-churn", "euler", "dpmpp-2m-cfgpp",
     "", "dpmpp-3s", "", "nobab", "sde-dpmpp-3m"),
    ("res-2s", "gradient-estimation", "deis-tab", "heun", "sde-dpmpp-1",
     "", "conjugate-optimal", "roba", "euler-churn", "dpmpp-2s-ancestral"),
)  # fmt: skip
PLACES = {name: (row, column) for row, own in enumerate(LOOKS) for column, name in enumerate(own) if name}
SHADES = (0.0, -0.45, 0.4, -0.75)  # of further curves of one scheme, towards black below 0, towards white above
CORRECTED = "-corrected"  # what goes on from its companions is no other scheme
BASE = re.compile(r"[A-Za-z0-9.+-]+")


def place_of(name: str) -> tuple[int, int]:
    """Row and column of a scheme.

    name   a specification, whose parameters do not count, or a label that begins with one
    """
    found = BASE.match(name)
    base = found.group().lower() if found else name
    base = base if base in PLACES else base.removesuffix(CORRECTED)
    row, column = divmod(crc32(base.encode()) % (len(LOOKS) * len(MARKERS)), len(MARKERS))
    return PLACES.get(base, (row, column))


def looks_of(names: Sequence[str]) -> list[dict[str, Any]]:
    """How the curves of a figure are drawn: colour, marker, dashes and width, as keywords of matplotlib.

    names    of their schemes; the second one of a scheme, with other parameters, is a shade of its colour, with the
             next marker
    returns  one a name; later ones are thinner, so that equal curves show each other
    """
    from matplotlib import rcParams

    colors = rcParams["axes.prop_cycle"].by_key()["color"]
    places, dashes = Counter[tuple[int, int]](), Counter[int]()
    looks = []
    for i, name in enumerate(names):
        row, column = place_of(name)
        again = places[row, column]
        dash = min((dashes[k], (k - row) % len(LINES), k) for k in range(len(LINES)))[-1]  # the rarest so far
        places[row, column] += 1
        dashes[dash] += 1
        looks.append({
            "color": _shaded(colors[row], SHADES[again % len(SHADES)]),
            "marker": MARKERS[(column + again) % len(MARKERS)],
            "linestyle": LINES[dash],
            "linewidth": max(2.8 - 0.22 * i, 1.0),
        })  # fmt: skip
    return looks


def lines_of(names: Sequence[str]) -> list[dict[str, Any]]:
    """`looks_of` some names without markers, of lines that have no points."""
    return [{key: value for key, value in look.items() if key != "marker"} for look in looks_of(names)]


def _shaded(color: str, shade: float) -> str:
    """A colour mixed with black or white."""
    from matplotlib.colors import to_hex, to_rgb

    towards, share = (0.0 if shade < 0 else 1.0), abs(shade)
    red, green, blue = ((1 - share) * part + share * towards for part in to_rgb(color))
    return to_hex((red, green, blue))
