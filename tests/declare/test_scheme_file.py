"""A scheme on disk: written and read to an equal scheme, a scheme to every command, and refused in one sentence when
damaged; nothing in a file is executed."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.cli import main
from numtoolkit.declare.entries import Entry, at, op
from numtoolkit.declare.forms import tableau
from numtoolkit.declare.scheme import Claims, Scheme, StepQuantity
from numtoolkit.declare.scheme_file import FORMAT, read_scheme, write_scheme
from numtoolkit.errors import InputError, NumtoolkitError, StorageError
from numtoolkit.files.fitted_coefficients import FittedCoefficients, FittedStep
from numtoolkit.files.storage import read_json
from numtoolkit.problem.clocks import CLOCKS
from numtoolkit.problem.frozen import FROZEN
from numtoolkit.problem.grids import grid
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.processes import process
from numtoolkit.problem.rules import RULES
from numtoolkit.program.program import lower
from numtoolkit.schemes import catalogue, scheme
from tests.support.checkout import ROOT
from tests.support.declarations import MEMBERS
from tests.support.tiers import breadth

EVERY = (*catalogue(), *map(scheme, MEMBERS))
CASES = breadth(catalogue()) + breadth(map(scheme, MEMBERS), lambda own: bool(own.quantities))
OWN = scheme("res-2s-churn(churn=10)")  # rows, noise, a rule, parameters, bound ones, filling steps
TEXT = OWN.to_json()


def a_table() -> FittedCoefficients:
    times = [40.0, 8.0, 1.0, 0.01]
    steps = tuple(
        FittedStep(start, end, (0.1 * n, -1 / 3 * n), 2, 0.5, 0.25) for n, (start, end) in enumerate(pairwise(times))
    )
    about = {"batch": 7, "target": "exact", "ridge": 0.0}
    return FittedCoefficients("iia-ddim(two)", "ddim", "edm", "rho(7)", "ring", ("kappa_0", "kappa_1"), steps, about)


def signed(record: dict) -> dict:
    """The record with the digest that it should have."""
    content = {key: value for key, value in record.items() if key != "sha256"}
    return content | {"sha256": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def one_sentence(message: str) -> str:
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert "Traceback" not in message
    return message


def refusal(text) -> str:
    with pytest.raises(InputError) as refused:
        Scheme.from_json(text)
    return one_sentence(str(refused.value))


# --- there and back


@pytest.mark.parametrize("own", CASES, ids=lambda own: own.spec)
def test_a_scheme_read_from_its_text_is_the_same_scheme(own):
    """Equal in every field, and written to the same text again."""
    again = Scheme.from_json(own.to_json())
    assert again == own
    assert again.to_json() == own.to_json()
    assert again.spec == own.spec


@pytest.mark.parametrize("own", CASES, ids=lambda own: own.spec)
def test_a_scheme_read_from_its_text_lowers_to_the_same_program(own):
    """Bit by bit, on every process, with and without t = 0, or refused with the same sentence."""
    again = Scheme.from_json(own.to_json())
    for name in own.processes:
        on = process(name)
        for times, nfe in ((grid("log-snr", on, 13), None), (np.append(grid("log-snr", on, 12), 0.0), None)):
            assert lowered(again, on, times, nfe) == lowered(own, on, times, nfe)


def lowered(own, on, times, nfe):
    try:
        return lower(own, on, times, nfe=nfe)
    except InputError as error:
        return str(error)


def test_a_fitted_table_travels_with_its_scheme():
    """Its values are read to the last bit, and its own digest is checked."""
    own = scheme("iia-ddim").with_table(a_table())
    again = Scheme.from_json(own.to_json())
    assert again == own
    assert again.table == a_table()
    assert again.spec == own.spec
    record = json.loads(own.to_json())
    record["table"]["steps"][1]["kappa_0"] = 0.125
    assert "table was changed since it was written: its sha256 does not match" in refusal(json.dumps(signed(record)))


def test_steps_stand_once_in_a_file_and_are_one_object_when_read():
    """What a run repeats is stored and lowered once."""
    own = scheme("gddim-pc(4)")
    record = json.loads(own.to_json())
    assert len(record["steps"]["distinct"]) == len(own.steps.distinct) == len(set(own.steps.distinct))
    again = Scheme.from_json(own.to_json())
    assert again.steps.remainder[-1][0] is again.steps.start[0]


def test_the_text_says_its_format_version_and_digest():
    """The digest is the SHA-256 of all the rest, keys in order."""
    import numtoolkit

    record = json.loads(TEXT)
    assert record["format"] == FORMAT == "numtoolkit scheme 1"
    assert record["numtoolkit"] == numtoolkit.__version__
    assert record == signed(record)


def test_numbers_and_entries_are_text_and_rules_are_names():
    """No float and no code stands in a file."""
    record = json.loads(TEXT)
    (quantity,) = record["quantities"]
    assert (quantity["name"], quantity["rule"], quantity["letter"]) == ("a", "churn_abscissa", "")
    assert record["values"] == [["churn", "10"]]
    assert record["params"][2]["default"] == "6/5"
    assert record["reference"] == "a"
    assert record["steps"]["distinct"][0]["items"][0] == {
        "kind": "noise", "name": "xi", "covariance": "s_noise^2*Cov(F, Q; 0, -a)",
    }  # fmt: skip

    def floats(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return isinstance(value, float) or any(map(floats, inner))

    assert not floats(record)


def test_every_rule_of_the_catalogue_has_a_name():
    """And every name is one rule; a rule that is an entry needs none."""
    rules = [quantity.rule for own in EVERY for quantity in own.quantities]
    assert {rule for rule in rules if not isinstance(rule, Entry)} == set(RULES.values())
    assert len(set(RULES.values())) == len(RULES)


def test_a_scheme_whose_rule_has_no_name_is_not_written():
    """The sentence names the rule and where to give it one."""

    def mine(problem, t, index, values):
        return np.ones(len(index))

    own = replace(scheme("euler-churn"), quantities=(StepQuantity("a", mine),))
    with pytest.raises(InputError, match=r"mine of a step quantity has no name; add it to numtoolkit\.problem\.rules"):
        own.to_json()


def test_a_scheme_that_could_not_be_read_again_is_not_written():
    """Here: texts that no file may have, and a tau beyond those that files give."""
    for wrong in ({"source": "a\x1b[31m"}, {"source": "two\nlines"}, {"tau": 100}):
        with pytest.raises(InputError, match="cannot be written as JSON: ") as refused:
            replace(scheme("ddim"), **wrong).to_json()
        one_sentence(str(refused.value))


def test_expansions_and_rules_that_are_entries_are_written_as_text():
    """What proofs take for a step quantity travels with it."""
    (quantity,) = json.loads(scheme("gauss-fit-2m").to_json())["quantities"]
    assert (quantity["rule"], quantity["expansion"]) == ("gaussian_bend", "1 + h*bend")
    (quantity,) = json.loads(scheme("iia-ddim").to_json())["quantities"]
    assert (quantity["rule"], quantity["expansion"]) == ({"entry": "s_end/s"}, None)


def test_a_file_of_an_earlier_version_is_read():
    """It has no order of the marginal and no expansions, and gives a name to the rule that is an entry now."""
    record = json.loads(scheme("iia-ddim").to_json())
    del record["claims"]["sde_marginal"]
    del record["quantities"][0]["expansion"]
    record["quantities"][0]["rule"] = "fall_of_noise"
    assert Scheme.from_json(json.dumps(signed(record))) == scheme("iia-ddim")


OWN_VALUES = [
    ("frozen", lambda: replace(FROZEN["noise"], name="mine"), "the frozen quantity mine"),
    ("frozen", lambda: replace(FROZEN["noise"]), "the frozen quantity noise"),
    ("clock", lambda: replace(CLOCKS["time"], name="mine"), "the clock mine"),
    ("steps", lambda: tableau([0], [[]], [at(op(replace(OPERATORS["N"], name="mine")))]), "the operator mine"),
]


@pytest.mark.parametrize(("field", "make", "sentence"), OWN_VALUES, ids=[case[2] for case in OWN_VALUES])
def test_a_scheme_with_an_axis_value_of_ones_own_is_not_written(field, make, sentence):
    """A file names values in use, so one that has no such name, or the name of another, is refused in one sentence."""
    own = replace(scheme("euler"), **{field: make()})
    with pytest.raises(InputError, match=rf"{sentence} is not among those in use, whose names files give; add it to "):
        own.to_json()


# --- damage

PLACES = st.integers(0, len(TEXT) - 1)


@given(PLACES, st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_nothing(place, bit):
    """One bit anywhere in the file."""
    damaged = bytearray(TEXT.encode())
    damaged[place] ^= 1 << bit
    read_or_refused(bytes(damaged))


@given(PLACES, st.integers(1, 40))
def test_a_gap_is_refused_or_changes_nothing(place, length):
    """Bytes that are lost anywhere."""
    content = TEXT.encode()
    read_or_refused(content[:place] + content[place + length :])


@given(PLACES)
def test_a_truncated_text_is_refused(place):
    """Only the last newline can be missed."""
    if place < len(TEXT) - 1:
        refusal(TEXT[:place])


def read_or_refused(content: bytes) -> None:
    try:
        assert Scheme.from_json(content) == OWN
    except InputError as error:
        one_sentence(str(error))


def places(value, path=()):
    """The paths of every value in a record."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def changed(record, path, change):
    """A copy of the record with `change` applied at a path."""
    if not path:
        return change(record)
    record = copy.deepcopy(record)
    *folders, last = path
    parent = record
    for key in folders:
        parent = parent[key]
    parent[last] = change(parent[last])
    return record


SMALL = {own.name: json.loads(own.to_json()) for own in (OWN, scheme("unipc"), scheme("roba(tbar)"), scheme("em"))}
SMALL["iia-ddim"] = json.loads(scheme("iia-ddim").with_table(a_table()).to_json())
WHERE = [(name, path) for name, record in SMALL.items() for path in places(record) if path]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**40), st.floats(), st.text(max_size=8),
    st.sampled_from(["E0", "y", "out", "xi", "0", "1", "a", "-1/2", "L", "Flow(L; 0, 1)", "Cov(F, Q; 0, 1)", "1/0",
                     "At(N; 0)", "edm", "psld", "time", "data", "drift", "best_place(xm)", "gaussian_bend", "r9"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=2), max_leaves=4
)


@given(st.sampled_from(WHERE), VALUES)
def test_another_value_anywhere_is_refused_or_is_a_scheme_that_runs_or_says_why_not(where, value):
    """As a stranger might write it, with a true digest: no exception but numtoolkit's own, to the lowered program."""
    name, path = where
    try:
        own = Scheme.from_json(json.dumps(signed(changed(SMALL[name], path, lambda _: value))))
        Scheme.from_json(own.to_json())
        for on in map(process, own.processes):
            lower(own, on, grid("log-snr", on, 7))
    except NumtoolkitError as error:
        one_sentence(str(error))


DEEP = "[" * 100_000 + "]" * 100_000
ITEM = ("steps", "distinct", 0, "items")
DAMAGED = [
    (("format",), "numtoolkit scheme 2", r"its format is 'numtoolkit scheme 2', .*; take a newer one"),
    (("format",), "numtoolkit scheme -1", "it does not say 'numtoolkit scheme 1'"),
    (("format",), None, "it does not say"),
    (("more",), 1, "the record has 'more', which no scheme has"),
    (("base",), KeyError, "the record lacks 'base'"),
    (("name",), "no name", "the name 'no name' cannot be read back"),
    (("name",), "a\x1b[2J", "not a printable text"),
    (("source",), "\ud800", "source is .*, not a printable text"),
    (("source",), "a" * 3000, "source is"),
    (("source",), ["a"], "source is a list, not a printable text"),
    (("frozen",), "dta", "frozen: unknown frozen quantity 'dta'; did you mean data"),
    (("clock",), "logsnr", "clock: unknown clock 'logsnr'; did you mean log-snr"),
    (("clock",), 3, "clock is 3, not the name of a clock"),
    (("kinds",), ["scala"], r"kinds\[0\]: unknown kind of process 'scala'; did you mean scalar"),
    (("kinds",), "scalar", "kinds is 'scalar', not a list"),
    (("kinds",), ["phase space"], "which a phase space process does not have"),
    (("tau",), 1.5, "tau is 1.5, not an entry as text"),
    (("tau",), True, "tau is True, not a whole number"),
    (("reference",), "a +", r"reference: the entry 'a \+' ends too early"),
    (("reference",), "k", "'k' is neither a parameter nor a step quantity"),
    ((*ITEM, 1, "at"), "k", "'k' is neither a parameter nor a step quantity"),
    ((*ITEM, 1, "at"), "Flow(L; 0, 1)", r"the abscissa of up is Flow\(L; 0, 1\), no scalar"),
    (("reference",), "Flow(K; 0, 1)", "reference: unknown operator 'K'"),
    (("params", 0, "default"), "0.5", r"params\[0\].default is '0.5', not an exact number as text"),
    (("params", 0, "default"), "1/0", "not an exact number"),
    (("params", 0, "default"), "9" * 500, "not an exact number"),
    (("params", 0, "default"), "1" + "0" * 40, "of a size from 1e-30 to 1e30"),
    (("params", 0, "free"), 1, "is 1, not true or false"),
    (("params", 0, "name"), "c 2", "'c 2' is no name of a scalar"),
    (("params", 0, "name"), "other", "'c2' is neither a parameter nor a step quantity"),
    (("values",), [["churn", "-1"]], "churn = -1 is out of range"),
    (("values",), [["chrn", "1"]], "values binds 'chrn', which is no parameter"),
    (("values", 0), ["churn"], r"values\[0\] is a list, not a pair"),
    (("quantities", 0, "rule"), "os.system", "unknown rule 'os.system'"),
    (("quantities", 0, "rule"), "ancestral_abscissa", "a = ancestral_abscissa needs the parameter eta"),
    (("quantities",), [], "'a' is neither a parameter nor a step quantity"),
    (("claims", "classical"), 10**20, "claims.classical is .*, not a whole number from 0 to 99"),
    (("claims", "refuted"), ["truth"], "unknown claim 'truth'"),
    (("structure",), [["a", 1]], r"structure\[0\]\[1\] is 1"),
    (("steps", "inner"), 99, "steps.inner is 99, not the number of a step, from 0 to"),
    (("steps", "inner"), -1, "steps.inner is -1"),
    (("steps", "inner"), True, "steps.inner is True"),
    (("steps", "distinct"), [], "not the number of a step"),
    (ITEM, {}, r"steps.distinct\[0\].items is a dict, not a list"),
    ((*ITEM, 0), "row", "not an object with a kind"),
    ((*ITEM, 0, "kind"), "roww", "unknown kind of item 'roww'; did you mean row"),
    ((*ITEM, 0, "kind"), "row", "lacks 'at'"),
    ((*ITEM, 0, "covariance"), "__import__('os').system('true')", r"items\[0\].covariance: cannot read"),
    ((*ITEM, 0, "covariance"), "(" * 5000, "write at most 20 parentheses"),
    ((*ITEM, 0, "covariance"), "k*Cov(F, Q; 0, 1)", "'k' is neither a parameter nor a step quantity"),
    ((*ITEM, 0, "name"), "zeta", "a step uses xi, which the step before does not hand on"),
    (("table",), {}, "table is no table of fitted coefficients"),
]


@pytest.mark.parametrize(("path", "value", "reason"), DAMAGED)
def test_what_no_scheme_can_say_is_refused_in_one_sentence(path, value, reason):
    """With a true digest; the sentence names the place and what it holds."""
    record = json.loads(TEXT)
    if value is KeyError:
        del record[path[0]]
    else:
        record = changed(record | {path[0]: record.get(path[0])}, path, lambda _: value)
    message = refusal(json.dumps(signed(record)))
    assert re.search(reason, message), message
    assert message.startswith("this text holds no scheme that can be read: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON"),
        ("null", "it does not say 'numtoolkit scheme 1'"),
        ("[]", "it does not say"),
        ("{", "it is not JSON"),
        (DEEP, "it is not JSON"),
        (TEXT.encode("utf-16"), None),
        (b"\xff" + TEXT.encode(), "it is not JSON"),
        (TEXT.replace("res-2s-churn", "res\xff2s").encode("latin-1"), "it is not JSON"),
        (TEXT.replace('"tau": 0', '"tau": 0, "tau": 0'), "it holds a key twice"),
        (TEXT.replace('"tau": 0', '"tau": NaN'), "NaN is no JSON number"),
        (TEXT.replace('"tau": 0', '"tau": 1e999'), "its sha256 does not match"),
        (TEXT.replace('"tau": 0', '"tau": 0.0'), "its sha256 does not match"),
        (TEXT.replace('"tau": 0', '"tau": ' + "9" * 5000), "it is not JSON"),
        (TEXT.replace('"tau": 0', '"tau": false'), "its sha256 does not match"),
        (TEXT.replace('"open": false', '"open": 0'), "its sha256 does not match"),
        (TEXT.replace('"numtoolkit": "', '"numtoolkit": "9'), "its sha256 does not match"),
        (7, "it is not JSON"),
        (None, "it is not JSON"),
    ],
    ids=range(18),
)
def test_what_is_no_text_of_a_scheme_is_refused_in_one_sentence(text, reason):
    """JSON or not; the same scheme in another encoding is no damage."""
    if reason is None:
        assert Scheme.from_json(text) == OWN
    else:
        assert reason in refusal(text)


WATCHED = """
import sys
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare import scheme_file
text, watching, seen = sys.stdin.read(), [False], set()
sys.addaudithook(lambda event, details: seen.add(event) if watching[0] else None)
watching[0] = True
Scheme.from_json(text)
watching[0] = False
print(*seen - {"builtins.id"})
"""


def test_reading_runs_nothing():
    """Neither code nor an import nor a file: the interpreter's own audit sees objects compared by identity, no more."""
    run = subprocess.run([sys.executable, "-c", WATCHED], input=TEXT, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout.split()) == (0, []), run.stderr


# --- files


def test_a_file_is_the_scheme_it_holds(tmp_path):
    """`scheme` and `read_scheme` take its path; a scheme of one's own needs no place in the catalogue."""
    mine = replace(scheme("res-2s(c2=1/3)"), name="mine", aliases=(), claims=Claims(classical=2))
    path = write_scheme(tmp_path / "mine.json", mine)
    assert read_scheme(path) == scheme(str(path)) == mine
    assert path.read_text() == mine.to_json()


@pytest.mark.parametrize("read", [read_scheme, scheme])
def test_files_that_cannot_be_read_are_refused_in_one_sentence(tmp_path, read, monkeypatch):
    """Absent, a folder, links to nothing and to themselves, not permitted, empty, not UTF-8, damaged, another file."""
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "dangling.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    (tmp_path / "empty.json").touch()
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\xfd")
    (tmp_path / "cut.json").write_text(TEXT[:900])
    (tmp_path / "flipped.json").write_text(TEXT.replace("Algorithm 2", "Algorithm 3"))
    (tmp_path / "other.json").write_text('{"format": "other"}')
    os.mkfifo(tmp_path / "pipe.json")
    names = ["absent", "folder", "dangling", "loop", "empty", "bytes", "cut", "flipped", "other", "pipe"]
    for name in names:
        with pytest.raises(StorageError, match=f"{name}.json'") as refused:
            read(str(tmp_path / f"{name}.json"))
        one_sentence(str(refused.value))
    with pytest.raises(StorageError):
        read("no\0path.json")

    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(StorageError, match="permission denied"):
        read(str(tmp_path / "cut.json"))


def test_a_link_to_a_file_is_the_file(tmp_path):
    """A symbolic link is followed."""
    write_scheme(tmp_path / "a.json", OWN)
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    assert read_scheme(tmp_path / "b.json") == OWN


# --- commands


@pytest.fixture
def file(tmp_path):
    """A scheme of no catalogue, on disk."""
    mine = replace(scheme("res-2s(c2=1/3)"), name="mine", source="a test", aliases=())
    return str(write_scheme(tmp_path / "mine.json", mine))


def test_show_writes_a_scheme_that_it_shows_again(tmp_path, capsys, file):
    """`show --out` writes the record; showing it prints what showing the scheme prints."""
    out = tmp_path / "deep" / "own.json"
    assert main(["show", "res-2s-churn(churn=10)", "--out", str(out)]) == 0
    first = capsys.readouterr()
    assert f"wrote {out}" in first.err
    assert out.read_text() == TEXT
    assert main(["show", str(out)]) == 0
    assert capsys.readouterr().out == first.out.replace("a test", "")
    assert main(["show", file, "--nfe", "6"]) == 0
    assert "mine(c2=1/3) on vp" in capsys.readouterr().out
    assert main(["show", file, "--latex"]) == 0
    assert "c_{2}" not in capsys.readouterr().out


def test_every_command_that_takes_a_scheme_takes_a_file(tmp_path, capsys, file):
    """verify, curve, stability, sample, fit --search and experiments, as for a name."""
    commands = [
        ["verify", file, "--json"],
        ["curve", "--process", "edm", "--law", "gaussian", "--schemes", f"{file},heun-edm", "--grid", "rho(7)",
         "--nfe", "4,8", "--json"],
        ["stability", file, "--out", str(tmp_path / "s.svg"), "--json"],
        ["sample", "--law", "gaussian", "--scheme", file, "--nfe", "4", "--seeds", "0-3", "--out",
         str(tmp_path / "samples"), "--json"],
    ]  # fmt: skip
    for command in commands:
        assert main(command) == 0, command
        out = capsys.readouterr().out
        if command[0] != "sample":
            assert "mine(c2=1/3)" in out
    search = ["fit", "--scheme", file, "--law", "gaussian", "--process", "edm", "--nfe", "4", "--search", "c2"]
    assert main([*search, "--low", "0.2", "--high", "0.9", "--json"]) == 0
    assert "mine(c2=" in capsys.readouterr().out
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "b.toml").write_text(f'kind = "stability"\ntitle = "b"\nschemes = ["{file}"]\n')
    (tmp_path / "plans" / "a.toml").write_text(
        f'kind = "curve"\ntitle = "a"\nprocess = "edm"\nlaw = "gaussian"\nschemes = ["{file}"]\ngrid = "rho(7)"\n'
        "nfe = [4, 8]\n"
    )
    assert main(["reproduce", "--quick", "--experiments", str(tmp_path / "plans"), "--out", str(tmp_path / "out")]) == 0
    for name in "ab":
        assert read_json(tmp_path / "out" / f"{name}.json")["data"][0]["scheme"] == "mine(c2=1/3)"


def test_a_curve_of_a_file_is_that_of_its_scheme(tmp_path, capsys):
    """The numbers do not know where the scheme came from."""
    path = write_scheme(tmp_path / "own.json", scheme("res-2m"))
    words = ["curve", "--process", "edm", "--law", "gaussian", "--grid", "rho(7)", "--nfe", "5,10", "--json"]
    assert main([*words, "--schemes", "res-2m"]) == 0
    named = capsys.readouterr().out
    assert main([*words, "--schemes", str(path)]) == 0
    assert capsys.readouterr().out == named


def test_fit_of_a_scheme_in_a_file_writes_the_scheme_with_its_table(tmp_path, capsys):
    """A table alone names its scheme, which nobody would find; that of a catalogued scheme stays a table."""
    mine = replace(scheme("iia-ddim"), name="mine", structure=(), aliases=())
    words = ["--law", "gaussian", "--process", "edm", "--grid", "rho(7)", "--nfe", "4", "--batch", "9"]
    for own, name in ((mine, "mine(table="), (scheme("iia-ddim"), "iia-ddim(two, table=")):
        path = str(write_scheme(tmp_path / "own.json", own))
        out = str(tmp_path / f"{own.name}.json")
        assert main(["fit", "--scheme", path, *words, "--out", out]) == 0
        assert scheme(out).spec.startswith(name)
        assert main(["curve", "--schemes", out, *words[:-2]]) == 0
    assert read_json(tmp_path / "mine.json")["format"] == FORMAT
    assert read_json(tmp_path / "iia-ddim.json")["format"] != FORMAT
    capsys.readouterr()


def test_no_other_result_replaces_a_scheme_on_disk(tmp_path, capsys, file):
    """A curve, a picture with its data, or a search; a scheme may replace a scheme, not fitted coefficients."""
    curve = ["curve", "--process", "edm", "--law", "gaussian", "--schemes", "ddim", "--grid", "rho(7)", "--nfe", "4"]
    for command in ([*curve, "--out", file], [*curve, "--out", file.replace(".json", ".svg")]):
        assert main(command) == 2
        assert "mine.json' holds a scheme, which --out" in capsys.readouterr().err
    assert main(["show", "ddim", "--out", file]) == 0
    assert scheme(file) == scheme("ddim")
    assert main(["show", "ddim", "--out", str(tmp_path / "a.txt")]) == 2
    capsys.readouterr()


def test_samples_of_a_changed_scheme_never_enter_the_folder_of_its_name(tmp_path, capsys):
    """A file may call itself ddim; what it holds decides the samples."""
    other = replace(scheme("ddim"), steps=scheme("heun-edm").steps.inner)
    path = str(write_scheme(tmp_path / "ddim.json", other))
    words = ["--law", "gaussian", "--process", "edm", "--nfe", "4", "--seeds", "0-3", "--out", str(tmp_path / "s")]
    assert main(["sample", "--scheme", "ddim", *words]) == 0
    assert main(["sample", "--scheme", path, *words]) == 2
    assert "holds samples with scheme_sha256 None" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "verify", "curve", "sample", "fit", "stability"])
def test_a_damaged_file_is_one_sentence_and_exit_code_2(tmp_path, capsys, command):
    """Never a traceback, whichever command meets it."""
    path = tmp_path / "a.json"
    path.write_text(TEXT.replace("Algorithm 2", "Algorithm 3"))
    words = {
        "show": [str(path)],
        "verify": [str(path)],
        "stability": [str(path), "--out", str(tmp_path / "a.svg")],
        "curve": ["--process", "edm", "--law", "gaussian", "--schemes", str(path), "--grid", "rho(7)", "--nfe", "4"],
        "sample": ["--law", "gaussian", "--scheme", str(path), "--nfe", "4", "--seeds", "0", "--out", str(tmp_path)],
        "fit": ["--scheme", str(path), "--law", "gaussian", "--nfe", "4"],
    }[command]
    assert main([command, *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("numtoolkit: ")
    assert "it was changed since it was written: its sha256 does not match" in err
    one_sentence(err.rstrip("\n"))
