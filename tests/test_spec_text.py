"""Text from a user is parsed, never evaluated, and either means something or is refused in one sentence."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from inspect import signature

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from numtoolkit import spec_text as specs
from numtoolkit.errors import InputError, StorageError
from numtoolkit.laws import NAMED, law_of
from numtoolkit.problem.grids import GRIDS, grid
from numtoolkit.problem.processes import PROCESSES, SCHEDULES, VP, process
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.spec_text import Spec, parse, show, split

READERS = {
    "scheme": scheme,
    "process": process,
    "grid": lambda text: grid(text, VP(), 3),
    "law": law_of,
    "parse": parse,
}
HOSTILE = (
    "",
    " ",
    "(",
    ")",
    "a(",
    "a)",
    "a()b",
    "a(1)(2)",
    "a" * 2000,
    "rho(" + "(" * 300 + ")" * 300 + ")",
    "rho" + "(" * 900,
    "rho(7",
    "rho(7,)",
    "rho(=7)",
    "rho(rho==7)",
    "rho(7, rho=7)",
    "rho(rho=7, rho=7)",
    "rho(zero=1, 7)",
    "rho(1e999)",
    "rho(1e-999)",
    "rho(1/0)",
    "rho(nan)",
    "rho(inf)",
    "rho(" + "9" * 500 + ")",
    "rho(\u0663)",  # a digit, but not one of ours
    "\uff52ho(7)",
    "rho\x00",
    "rho(7)\x00",
    "rho(7)\n; import os",
    "__import__('os').system('true')",
    "os:system",
    "os:system(true)",
    "os.path:",
    ":x",
    "no.such.module:x",
    "..:x",
    "absent.py:x",
    "absent.py:x(1, a=2, 3)",
    "a" * 900 + ".py:x",
    "b/" * 450 + "c.py:x",
    "\x00.py:x",
    "\udc80.py:x",
    "~nobody-of-this-name/absent.py:x",
    "res-2s(c2=1+1)",
    "res-2s(c2=__import__('os'))",
    "res-2s(c2=0)",
    "res-2s(c2=1e30)",
    "res-2s(r0=1)",
    "mixture(dim=1e29)",
    "vp(beta_max=1e29)",
    "psld(nu=0)",
    "edm(t_min=0)",
    "log-snr(zero=2)",
    "\udc80",
)


def refusal(read, text):
    """The sentence with which `read` refuses the text, or None if it accepts it; anything else fails the test."""
    try:
        read(text)
    except (InputError, StorageError) as error:
        return str(error)
    return None


def assert_one_sentence(message):
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert len(message) < 1200  # of a sentence that lists the whole catalogue


# --- the grammar


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("rho", Spec("rho")),
        (" rho ( 7 ) ", Spec("rho", (Fraction(7),))),
        ("rho()", Spec("rho")),
        ("res-2s(c2=1/3)", Spec("res-2s", (), (("c2", Fraction(1, 3)),))),
        ("a(0.1, 1e-3, -2, +.5)", Spec("a", (Fraction(1, 10), Fraction(1, 1000), Fraction(-2), Fraction(1, 2)))),
        ("a(2, variant=bh1)", Spec("a", (Fraction(2),), (("variant", "bh1"),))),
        ("a(nodes=(0.5, 1), b=())", Spec("a", (), (("nodes", (Fraction(1, 2), Fraction(1))), ("b", ())))),
    ],
)
def test_the_grammar_reads_names_numbers_words_and_tuples_exactly(text, spec):
    """Decimals and quotients become fractions; spaces do not matter."""
    assert parse(text) == spec


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.+-]{0,8}", fullmatch=True)
exact = st.fractions(min_value=-1000, max_value=1000, max_denominator=1000)
values = st.recursive(exact | names, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(names, st.lists(values, max_size=3), st.dictionaries(keys, values, max_size=3))
def test_written_specifications_are_read_back(name, positional, named):
    """Any name, numbers, words and nested tuples, positional and by name."""
    parts = [*map(show, positional), *(f"{key}={show(value)}" for key, value in named.items())]
    assert parse(f"{name}({', '.join(parts)})") == Spec(name.lower(), tuple(positional), tuple(named.items()))


@pytest.mark.parametrize("member", catalogue(), ids=lambda member: member.name)
def test_a_scheme_is_read_back_from_its_own_specification(member):
    """The specification, the name and each alias are one scheme."""
    assert scheme(member.spec) == scheme(member.name) == member
    for alias in member.aliases:
        assert scheme(alias) == member


@given(st.lists(st.text("ab(),= 1", min_size=1).filter(lambda part: part.strip())))
def test_splitting_keeps_commas_inside_parentheses(parts):
    """A list of specifications is cut between them only."""
    wrapped = [f"x({part.replace('(', '').replace(')', '')})" for part in parts]
    assert split(",".join(wrapped)) == wrapped


# --- bad input


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_in_one_sentence_by_every_reader(text):
    """Nesting, huge numbers, NaN, other alphabets, code: nothing is evaluated, nothing crashes."""
    for kind, read in READERS.items():
        message = refusal(read, text)
        assert message or kind == "parse"  # some of it is grammatical, and means nothing to any reader
        assert_one_sentence(message or ".")


@pytest.mark.parametrize("kind", READERS)
@given(text=st.text() | st.text("ab17(),=./-+e '", max_size=40))
@example(text="x" * 100_000)
def test_any_text_is_accepted_or_refused_in_one_sentence(kind, text):
    """Random text for every reader, and 100000 letters."""
    message = refusal(READERS[kind], text)
    assert_one_sentence(message or ".")


numbers = st.sampled_from(["0", "1", "-1", "1/3", "1e-29", "1e29", "7", "1e3", "1e6", "1e-3"]) | st.floats(
    1e-6, 1e6
).map("{:.6g}".format)


def drawn(name, parameters):
    """Specifications of that name with some parameters at arbitrary numbers."""
    chosen = st.dictionaries(st.sampled_from(parameters), numbers, max_size=3) if parameters else st.just({})
    return chosen.map(lambda given: f"{name}({', '.join(f'{key}={value}' for key, value in given.items())})")


PROCESS_NAMES = {**PROCESSES, **SCHEDULES}
any_process = st.sampled_from(sorted(PROCESS_NAMES)).flatmap(
    lambda name: drawn(name, [f.name for f in fields(PROCESS_NAMES[name]) if f.init and f.name != "N"])
)
any_grid = st.sampled_from(sorted(GRIDS)).flatmap(
    lambda name: drawn(name, {"rho": ["rho", "zero"], "angle": ["sigma_data", "zero"]}.get(name, ["zero"]))
)
any_scheme = st.sampled_from(catalogue()).flatmap(lambda own: drawn(own.name, [p.name for p in own.params]))


@given(any_process, any_grid, any_scheme)
@example("psld(beta_min=1, beta_max=1e29, T=540081)", "angle", "ddim")
@example("psld(t_min=1e-29)", "angle", "ddim")
@example("psld(beta_max=1e6, Gamma=1/3, T=969480)", "uniform", "ddim")
@example("psld(beta_max=416711)", "uniform", "lambda-ddim-1")
@example("edm(t_min=1e6, T=1e29)", "quadratic", "dpm2-ancestral")
@example("vp(T=1e6)", "rho", "ddim")
@example("edm", "rho(1e-5)", "ddim")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of overflow: that the result is finite is what is tested
def test_any_numbers_are_refused_in_one_sentence_or_give_a_finite_program(process_text, grid_text, scheme_text):
    """Any parameters of process, grid and scheme together: no overflow goes unsaid into the times."""
    from numtoolkit.program.program import lower

    try:
        law, member = process(process_text), scheme(scheme_text)
        program = lower(member, law, grid(grid_text, law, 3))
    except InputError as error:
        assert_one_sentence(str(error))
    else:
        assert np.isfinite(program.times).all()


@pytest.mark.parametrize(
    ("read", "text", "named"),
    [
        (scheme, "res2s", "res-2s"),
        (scheme, "dpmp-2m", "dpmpp-2m"),
        (process, "vpp", "vp"),
        (lambda text: grid(text, VP(), 3), "logsrn", "logsnr"),
        (law_of, "mixtur", "mixture"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(read, text, named):
    """Schemes, processes, grids and laws answer a slip with the name that was meant."""
    with pytest.raises(InputError, match=f"unknown .* '{text}'; did you mean .*{named}"):
        read(text)


def test_every_named_law_is_read_with_defaults_and_read_back_from_its_name():
    """And a wrong parameter is answered with those there are."""
    for name in NAMED:
        law = law_of(name)
        assert law_of(law.name).name == law.name
        has = ", ".join(signature(NAMED[name]).parameters)
        assert refusal(law_of, f"{name}(nonsense=1)") == f"law {name} has no parameter 'nonsense'; it has {has}."


@pytest.mark.parametrize("text", [")(", "1)(2", "1, (2", "1, 2)"])
def test_parentheses_that_do_not_match_are_refused(text):
    """As many of either kind are not enough: each is closed after it is opened."""
    assert "do not match" in refusal(split, text)


def test_exact_values_are_numbers_and_no_more_than_there_are_names():
    """A value too many would be lost without a word."""
    assert parse("own(1/3)").exact(["c2"], "own") == {"c2": Fraction(1, 3)}
    with pytest.raises(InputError, match="own takes 1 parameter, got 2"):
        parse("own(1/3, 1/2)").exact(["c2"], "own")
    with pytest.raises(InputError, match="own: c2 = fast is not a number"):
        parse("own(fast)").exact(["c2"], "own")
    assert show(parse("own((1/2, (1, fast)))").positional[0]) == "(1/2, (1, fast))"


def test_limits_of_the_grammar_are_as_stated():
    """Depth, length and size: the largest allowed passes, the next does not."""
    nested = ["a(" + "(" * depth + "1" + ")" * depth + ")" for depth in (specs.DEEPEST, specs.DEEPEST + 1)]
    assert refusal(parse, nested[0]) is None
    assert "parentheses inside one another" in refusal(parse, nested[1])
    assert parse("a(9e29)").positional == (Fraction(9 * 10**29),)
    assert "out of range" in refusal(parse, "a(1e30)")
    assert refusal(parse, "a" * specs.LONGEST) is None
    assert "cannot read" in refusal(parse, "a" * (specs.LONGEST + 1))


def test_a_path_of_an_npz_file_is_a_value():
    """Folders, blanks and capitals are kept; what has no such ending is no path."""
    spec = parse("Table(my runs/SD v2.npz, scaling=ve)")
    assert (spec.name, spec.positional, spec.named) == ("table", ("my runs/SD v2.npz",), (("scaling", "ve"),))
    with pytest.raises(InputError, match=r"cannot read the value .runs/table\.txt"):
        parse("table(runs/table.txt)")
