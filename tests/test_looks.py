"""A scheme looks the same in every figure, and no two look alike."""

from __future__ import annotations

import re
import tomllib

import pytest

from numtoolkit.plots import curve_figure
from numtoolkit.plots.looks import LOOKS, MARKERS, PLACES, lines_of, looks_of, place_of
from numtoolkit.plots.sheet import styled
from numtoolkit.schemes import catalogue
from tests.support.checkout import ROOT

pytest.importorskip("matplotlib")


def looks(*names: str) -> list[tuple[str, str]]:
    """Colour and marker of each."""
    with styled():
        return [(look["color"], look["marker"]) for look in looks_of(names)]


def test_every_scheme_of_the_catalogue_has_a_place_of_its_own() -> None:
    """As many colours as the style has, a marker for each column, and no scheme that is gone."""
    with styled():
        from matplotlib import rcParams

        assert len(LOOKS) == len(rcParams["axes.prop_cycle"])
    assert {len(row) for row in LOOKS} == {len(MARKERS)} == {len(set(MARKERS))}
    assert sorted(PLACES) == sorted(scheme.name for scheme in catalogue())
    assert len(set(PLACES.values())) == len(PLACES)


def test_a_scheme_looks_the_same_whatever_stands_beside_it() -> None:
    """With any parameters, in any order, in a label that begins with it, and corrected; others look otherwise."""
    first = looks("ddim", "unipc(3)", "heun-edm")
    assert looks("heun-edm", "unipc", "ddim") == first[::-1]
    assert looks("unipc(2, variant=bh1), log-snr") == looks("unipc-corrected, pilot grid") == first[1:2]
    assert len(set(first)) == 3
    assert place_of("dpmpp-3m-corrected") != place_of("dpmpp-3m")


def test_further_curves_of_one_scheme_are_shades_of_its_colour() -> None:
    """With another marker and other dashes; the first is as it is alone."""
    with styled():
        own, other, third = looks_of(["res-2s", "res-2s(1)", "res-2s(1/3)"])
        assert own == looks_of(["res-2s"])[0]
    for key in ("color", "marker", "linestyle"):
        assert len({str(look[key]) for look in (own, other, third)}) == 3


def test_schemes_of_one_colour_have_other_dashes_in_one_figure() -> None:
    """So that lines without points are told apart; and what is not in the table has a place all the same."""
    with styled():
        first, second = lines_of(["etd4rk", "unipc(2)"])
    assert first["color"] == second["color"]
    assert first["linestyle"] != second["linestyle"]
    assert "marker" not in first
    assert looks("my-own(3)") == looks("my-own") != looks("ddim")


def test_no_two_schemes_of_a_figure_of_the_repository_look_alike() -> None:
    """Colour and marker of each scheme of an experiment are its own."""
    for path in sorted((ROOT / "experiments").glob("*.toml")):
        schemes = tomllib.loads(path.read_text(encoding="utf-8")).get("schemes", [])
        assert len(set(looks(*schemes))) == len(schemes), path.stem


def test_curves_are_drawn_as_their_schemes_look() -> None:
    """In the order of the records, by name."""
    records = [{"scheme": name, "nfe": n, "metric": "relative-rms", "error": 1 / n, "median": None}
               for name in ("unipc(2)", "ddim") for n in (5, 10)]  # fmt: skip
    (ax,) = curve_figure(records, "t", slopes=()).axes
    drawn = [(line.get_color(), line.get_marker()) for line in ax.get_lines()]
    assert drawn == looks("unipc(2)", "ddim")
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color, _ in drawn)
