"""Fitted coefficients come back from their file unchanged, or not at all."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from numtoolkit.errors import InputError, StorageError
from numtoolkit.files import fitted_coefficients
from numtoolkit.files.storage import write_json
from numtoolkit.fitting import read_fitted_coefficients, write_fitted_coefficients
from numtoolkit.laws.named import ring
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme
from tests.support.fitted_schemes import fitted, table_of
from tests.support.same_run import gap


def a_table():
    return fitted("iia-ddim(two)", ring(), 5)


def test_a_table_is_the_same_after_writing_and_reading(tmp_path):
    """Read and written again a table keeps its bytes and its digest, and a person can read its record."""
    table = a_table()
    path = write_fitted_coefficients(tmp_path / "t.json", table)
    assert read_fitted_coefficients(path) == table
    assert read_fitted_coefficients(path).digest == table.digest
    again = write_fitted_coefficients(tmp_path / "again.json", read_fitted_coefficients(path))
    assert again.read_bytes() == path.read_bytes()
    assert scheme(str(path)) == scheme("iia-ddim").with_table(table)
    record = json.loads(path.read_text())
    assert record["scheme"] == "iia-ddim(two)"
    assert record["network"] == ring().name
    assert record["steps"][2]["kappa_0"] == table.steps[2].values[0]
    assert len(path.read_text()) < 3000


def test_a_table_changes_the_name_and_the_run_of_a_scheme():
    """The specification carries the digest, so that a result says with which coefficients it was made."""
    table = a_table()
    bound = scheme("iia-ddim").with_table(table)
    assert bound.spec == f"iia-ddim(two, table={table.digest[:12]})"
    assert bound != scheme("iia-ddim")
    assert bound in {bound, scheme("iia-ddim")}
    plain, own = (lower(s, EDM(), table.times) for s in (scheme("iia-ddim"), bound))
    assert gap(plain, own) > 1e-3


def change(record, path, value):
    *folders, last = path
    for key in folders:
        record = record[key]
    if value is KeyError:
        del record[last]
    else:
        record[last] = value


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["steps", 2, "kappa_0"], 0.25, "was changed since it was written"),
        (["process"], "vp", "was changed"),
        (["sha256"], "0" * 64, "was changed"),
        (["sha256"], KeyError, "was changed"),
        (["more"], 1, "was changed"),
        (["format"], "other", "does not say"),
        (["scheme"], 3, "scheme is no text"),
        (["network"], KeyError, "lacks 'network'"),
        (["names"], [], "names is no list"),
        (["names"], ["kappa_0", "phi"], "lacks 'phi'"),
        (["steps"], [], "steps is no list"),
        (["steps", 1], 7, "no table"),
        (["steps", 1, "kappa_0"], "1", "kappa_0 = '1' is no number"),
        (["steps", 1, "rank"], True, "rank = True is no number"),
        (["steps", 1, "end"], 50.0, "do not fall"),
        (["about"], [1], "about holds more"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(tmp_path, path, value, reason):
    """A changed digit, a missing key, a wrong type, falling times: each is named, in one line."""
    file = write_fitted_coefficients(tmp_path / "t.json", a_table())
    record = json.loads(file.read_text())
    change(record, path, value)
    write_json(file, record)
    with pytest.raises(StorageError, match=reason) as refusal:
        scheme(str(file))
    assert str(refusal.value).count("\n") == 0


def test_absent_tables_and_tables_of_another_kind_are_refused(tmp_path):
    """A missing file and a list for a record are answered with what they are."""
    with pytest.raises(StorageError, match="cannot read"):
        scheme(str(tmp_path / "absent.json"))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(StorageError, match="no table"):
        scheme(str(tmp_path / "list.json"))


def test_a_table_is_refused_on_another_process_grid_or_scheme():
    """Coefficients are those of one grid: on another one they would be wrong numbers without a word."""
    table = a_table()
    bound = scheme("iia-ddim").with_table(table)
    with pytest.raises(InputError, match=r"fitted on process edm, not edm\(T=40\.0\); fit anew"):
        lower(bound, EDM(T=40.0), grid("rho(7)", EDM(T=40.0), 5))
    with pytest.raises(InputError, match=r"grid rho\(7\) of 5 steps .* of 6 steps"):
        lower(bound, EDM(), grid("rho(7)", EDM(), 6))
    with pytest.raises(InputError, match=r"whose point 1 is t = 24.4083, not on one whose point 1 is"):
        lower(bound, EDM(), grid("log-snr", EDM(), 5))
    nearly = table.times * (1 + 1e-12 * np.cos(np.arange(6)))
    lower(bound, EDM(), nearly)  # the last digits of a grid may differ from machine to machine
    for other in ("iia-ddim(one)", "iia-spndm", "ddim"):
        with pytest.raises(InputError, match=r"of iia-ddim\(two\) on ddim, which .* cannot take"):
            scheme(other).with_table(table)


TIMES = grid("rho(7)", EDM(), 3)


def small_table():
    values = {"kappa_0": np.array([0.1, 0.2, 0.3]), "kappa_1": np.array([1.0, 2.0, 3.0])}
    return table_of(scheme("iia-ddim(two)"), EDM(), TIMES, values)


def test_a_column_is_that_of_its_name_on_the_grid_of_the_table():
    """Not on another process, a shorter grid, or one that is a part in a million off, or that much at its end."""
    table = small_table()
    np.testing.assert_array_equal(table.times, TIMES)
    assert table.column("kappa_1", "edm", TIMES * (1 + 1e-12)).tolist() == [1, 2, 3]
    for process, times in [("vp", TIMES), ("edm", TIMES * (1 + 1e-6)), ("edm", TIMES + 1e-6), ("edm", TIMES[:-1])]:
        with pytest.raises(InputError, match="fit anew"):
            table.column("kappa_0", process, times)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "numtoolkit fitted coefficients 9"}, "it does not say 'numtoolkit fitted coefficients 1'"),
        ({"names": []}, "names is no list of names"),
        ({"steps": [{"end": 90.0}, {"start": 90.0}]}, "its times do not fall from step to step"),
        ({"steps": [{}, {"start": 1.0}]}, "its times do not fall from step to step"),
        ({"steps": [{"residual": float("inf")}]}, "residual = inf is no number"),
        ({"steps": [{"rank": True}]}, "rank = True is no number"),
        ({"scheme": "iia-ddim(one)"}, "its sha256 does not match"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_record_that_is_no_table_is_refused_by_its_fault(change, reason):
    """Format, names, times that rise or jump, numbers, and what was changed since."""
    record = fitted_coefficients.record_of(small_table())
    for step, own in zip(record["steps"], change.get("steps", ()), strict=False):
        step.update(own)
    record |= {key: value for key, value in change.items() if key != "steps"}
    with pytest.raises(StorageError, match=re.escape(reason)):
        fitted_coefficients.table_of(record, "it")
