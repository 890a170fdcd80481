"""The file of the blind judging holds what its script finds, and waits for nothing but the rule."""

from __future__ import annotations

import tomllib
from itertools import product
from typing import Any

import pytest

from analysis import judging as script
from numtoolkit.errors import InputError
from numtoolkit.files.storage import read_json
from numtoolkit.files.tables import filled
from numtoolkit.models.by_reference import checkpoint_of
from numtoolkit.reproduce.judging import Judging, identity

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    """What the file says."""
    said = tomllib.loads(script.FILE.read_text(encoding="utf-8"))
    assert said.pop("kind") == "judging"
    return said


@pytest.mark.check
def test_everything_but_the_rule_is_fixed(table: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for it the file is read: all digests are those of what is there, and nothing was seen before."""
    monkeypatch.chdir(script.ROOT)
    groups = [
        group | {"rule": group["rule"] or [{"first": 1, "last": 100, **group["default"]}]} for group in table["groups"]
    ]
    found = filled(Judging, table | {"groups": groups}, "the judging")
    assert found.nfe == (5, 8, 10, 15, 20, 30, 50, 100)
    assert found.starts >= 128
    assert sum(own.is_network for own in found.subjects) >= 4
    assert {own.process for own in found.subjects} >= {"edm", "vp", "flow", "psld", "cld"}
    assert all(own.spectrum for own in found.subjects)
    assert sum((script.ROOT / own.law).stat().st_size for own in found.subjects if own.is_network) < 3e6


def test_pairs_and_defaults_are_those_that_lead_on_the_development_set(table: dict[str, Any]) -> None:
    """As `lead` prints them from the errors that are kept; no law or network of theirs is judged on."""
    kept = read_json(script.KEPT)
    judged = {own["law"] for own in table["subjects"]}
    for group, own in zip(table["groups"], script.GROUPS, strict=True):
        pairs = [(pair["scheme"], pair["grid"]) for pair in group["pairs"]]
        assert (group["name"], group["process"], group["dynamics"]) == (own.name, own.process, own.dynamics)
        assert pairs == script.leading(kept[own.name], own.count, own.quantities)
        assert tuple(group["default"].values()) == script.default(kept[own.name], own.quantities)
        assert tuple(group["grids"]) == own.grids
        for law, quantity in product(kept[own.name].values(), own.quantities):
            places = range(len(law["nfe"]))
            assert all(any(pair["errors"][quantity][i] is not None for pair in law["pairs"]) for i in places)
        assert not judged & set(kept[own.name])
    assert len(table["groups"][0]["pairs"]) == 30
    known = {own["sha256"] for own in table["development"]}
    assert {identity(law) for group in kept.values() for law in group if checkpoint_of(law) is None} <= known


def test_pairs_lead_in_turn_and_the_default_is_no_frame() -> None:
    """Each subject and budget names its best, then its second; a pair that cannot be had is behind all."""
    rows = [("a", [1.0, 9.0]), ("b", [2.0, 1.0]), ("gframe-ab(2)", [0.5, 3.0]), ("c", [None, 2.0])]
    pairs = [{"scheme": name, "grid": "g", "errors": {"path": errors}} for name, errors in rows]
    group = {"law": {"nfe": [5, 10], "pairs": pairs}}
    assert [name for name, _ in script.leading(group, 4, ("path",))] == ["gframe-ab(2)", "b", "a", "c"]
    assert script.default(group, ("path",)) == ("b", "g")


def test_a_rule_that_is_not_there_keeps_the_judging_from_running(table: dict[str, Any]) -> None:
    """As long as any group waits for its rows."""
    groups = [group | {"rule": []} for group in table["groups"]]
    with pytest.raises(InputError, match="write one before anything is judged"):
        filled(Judging, table | {"groups": groups}, "the judging")
