"""An entry is read back from its text: nothing is lost or evaluated, and what is no entry gets one sentence."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.declare.entries import (
    NONE,
    ZERO,
    At,
    Ball,
    Const,
    Cov,
    Entry,
    Flow,
    Int,
    L,
    N,
    Phi,
    Product,
    Quotient,
    Sum,
    at,
    ball,
    flow,
    integral,
    number,
    op,
    phi,
    sqrt,
    substitute,
    symbol,
    symbols,
    walk,
)
from numtoolkit.declare.entry_text import DEEPEST, FORMS, LONGEST, MOST_DIGITS, ROWS, parse_entry
from numtoolkit.declare.numbers import HUGE, TINY
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Eval, Noise, Row
from numtoolkit.errors import InputError
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.schemes import catalogue, scheme
from tests.support.declarations import MEMBERS

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of an entry, by hypothesis

a, b, c = symbol("a"), symbol("b"), symbol("c")


def every_scheme():
    return (*catalogue(), *map(scheme, MEMBERS))


def every_entry(own: Scheme) -> list[Entry]:
    """All entries of a scheme, abscissae and network times included."""
    found = [own.reference] + ([own.tau] if isinstance(own.tau, Entry) else [])
    for item in (item for step in own.steps.distinct for item in step.items):
        if isinstance(item, Row):
            found += [item.at, *(entry for _, entry in item.terms)]
        elif isinstance(item, Eval):
            found += [item.at, item.network_time]
        elif isinstance(item, Noise):
            found.append(item.covariance)
    return found


def refusal(text) -> str:
    with pytest.raises(InputError) as refused:
        parse_entry(text)
    return one_sentence(str(refused.value))


def one_sentence(message: str) -> str:
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert len(message) < 400
    return message


# --- there and back


def test_every_entry_of_every_scheme_is_read_back_from_its_text():
    """parse_entry(str(e)) == e for the whole catalogue and members of its families."""
    entries = {entry for own in every_scheme() for entry in every_entry(own)}
    assert len(entries) > 200
    for entry in entries:
        assert parse_entry(str(entry)) == entry, str(entry)


SIZES = st.fractions(-1000, 1000, max_denominator=1000)
NAMES = st.sampled_from(["a", "b", "c", "r0", "c2", "lambda_s", "L", "x", "phi", "Flow"])


def small(entry: Entry) -> bool:
    """Whether hypothesis can show many of it."""
    return sum(1 for _ in walk(entry)) < 20


def divides(entry: Entry) -> bool:
    """Whether an entry is surely not 0."""
    return entry != ZERO and not (isinstance(entry, Ball) and abs(entry.centre) <= entry.radius)


def combined(parts):
    """Entries made of smaller ones by the arithmetic of the language."""
    two = st.tuples(parts, parts)
    return st.one_of(
        two.map(lambda p: p[0] + p[1]),
        two.map(lambda p: p[0] - p[1]),
        two.map(lambda p: p[0] * p[1]),
        st.tuples(parts, SCALARS).filter(lambda p: divides(p[1])).map(lambda p: p[0] / p[1]),
        st.tuples(parts, st.integers(1, 4)).map(lambda p: p[0] ** (p[1] if small(p[0]) else 1)),
        parts.map(lambda p: -p),
        st.tuples(SIZES, parts).map(lambda p: p[0] * p[1]),
    )


SCALARS = st.deferred(lambda: st.recursive(ATOMS, combined, max_leaves=3))
NUMBERS = st.one_of(
    SIZES.map(Const),
    st.builds(ball, SIZES, st.fractions(0, 1, max_denominator=1000)),
    st.fractions(0, 100, max_denominator=100).map(sqrt),
    st.floats(-1e10, 1e10).filter(lambda x: not 0 < abs(x) < 1e-290).map(number),
)
ATOMS = st.one_of(NUMBERS, NAMES.map(symbol))
LETTERS = st.tuples(st.sampled_from(list(OPERATORS)), st.sampled_from(("", *ROWS))).map(lambda p: op(p[0]).row(p[1]))
OPERATOR = st.lists(st.tuples(SCALARS, LETTERS).map(lambda p: p[0] * p[1]), max_size=2).map(lambda p: sum(p, NONE))
BLOCKS = st.one_of(
    st.builds(Flow, OPERATOR, SCALARS, SCALARS),
    st.builds(Int, OPERATOR, OPERATOR, st.lists(SCALARS, min_size=1, max_size=3).map(tuple), SCALARS, SCALARS),
    st.builds(Cov, OPERATOR, OPERATOR, SCALARS, SCALARS),
    st.builds(At, OPERATOR, SCALARS),
    st.builds(Phi, st.integers(1, 9), SCALARS.filter(lambda c: c != ZERO)),
)


def within_limits(entry: Entry) -> bool:
    numbers = [node.value for node in walk(entry) if isinstance(node, Const) and node.value]
    return all(TINY < abs(value) < HUGE for value in numbers)


ENTRIES = st.recursive(BLOCKS | SCALARS, combined, max_leaves=4).filter(within_limits)


@given(ENTRIES)
def test_any_entry_that_arithmetic_makes_is_read_back_from_its_text(entry):
    """Sums, products, quotients, powers and every form, nested at will."""
    assert parse_entry(str(entry)) == entry


@given(ENTRIES, ENTRIES)
def test_two_entries_have_one_text_only_if_they_are_equal(one, other):
    """The text is all there is to an entry."""
    assert (str(one) == str(other)) is (one == other)


LOST_BEFORE = [
    (integral(0, 1, L=op("F")), integral(0, 1, L=op("O"))),
    (integral(0, 1, (1, 0)), integral(0, 1, (1,))),
    (integral(0, 1, (c,)), integral(0, 1, (0, 1))),
    (Product((a, Quotient(b, c))), Quotient(Product((a, b)), c)),
    (Product((Const(Fraction(-1)), Quotient(a, b))), Quotient(-a, b)),
    (2 * (a / b), (2 * a) / b),
    (a / b / c, a / (b * c)),
    (a / (b / c), a / b / c),
    (phi(1, 2), symbol("phi1")),
    (at(L - op("R"), 1), at(L, 1) - at(op("R"), 1)),
    (number(0.1), number("0.1")),
    (number("0.161"), number("161/1000")),
    (sqrt(2) / 3, sqrt("1/3")),
]


@pytest.mark.parametrize(("one", "other"), LOST_BEFORE, ids=lambda e: str(e))
def test_texts_tell_apart_what_differs_in_one_place(one, other):
    """Another operator, a longer weight, another grouping."""
    assert str(one) != str(other)
    assert (parse_entry(str(one)), parse_entry(str(other))) == (one, other)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("2*(a*3)", 6 * a),
        (" a\n -\t(b) ", a - b),
        ("2/3", number("2/3")),
        ("-a^2", -(a * a)),
        ("a + a - 2*a", ZERO),
        ("((a))", a),
        ("a^0", number(1)),
        ("phi(2, 1/2)", phi(2, Fraction(1, 2))),
        ("1 - c2 + c2*Flow(L; 0, c2)", 1 - symbol("c2") + symbol("c2") * flow(0, symbol("c2"))),
        ("At(-2*a/b*N.m + unit_beta; 1)", at(-(2 * a / b) * N.row("m") + op("unit_beta"), 1)),
        ("sqrt(3/4)", sqrt("3/4")),
        ("sqrt(2)*sqrt(6)", 2 * sqrt(3)),
        ("ball(-161/1000, 1/2000)", number("-0.161")),
        ("ball(2, 0)", number(2)),
        ("Flow(0; 0, 1)", Flow(NONE, ZERO, number(1))),
        ("Int(L - R, 1*N; 1, -1/2*r0; -r0, 1)", integral(-symbol("r0"), 1, (1, -symbol("r0") / 2), L - op("R"))),
    ],
)
def test_text_means_what_the_same_arithmetic_makes_in_python(text, entry):
    """A person may write more spaces, parentheses and unfinished sums than the text of an entry has."""
    assert parse_entry(text) == entry


def test_every_operator_in_use_is_read_from_its_name():
    """The table of operators is the only list of their names."""
    for name, operator in OPERATORS.items():
        assert parse_entry(f"At({name}; 0)") == at(op(operator))


# --- what is no entry

DEEP = "(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1)
NO_ENTRY = [
    ("", "ends too early; write a number, a name or a parenthesis"),
    ("a +", "the entry 'a +' ends too early"),
    ("a b", "cannot read 'b' in the entry 'a b'; end the entry before it"),
    ("(a", "ends too early; add ')'"),
    ("a)", "cannot read ')' in"),
    ("--a", "cannot read '-a'"),
    ("a*-b", "cannot read '-b'"),
    ("0.5", "cannot read '.5' in the entry '0.5'; end the entry"),
    ("1e3", "cannot read 'e3'"),
    ("a**2", "cannot read '*2'"),
    ("a^b", "cannot read 'b' in ... ; write a whole number of at most 99"),
    ("a^100", "whole number of at most 99"),
    ("2^9", "write numbers without powers"),
    ("a/0", "cannot read '0' in the entry 'a/0'; divide by something else"),
    ("a/(b - b)", "divide by something else"),
    ("a/Flow(L; 0, 1)", "write a scalar there"),
    ("Flow(L; 0)", "cannot read ')' in ... ; write ',' before it"),
    ("Flow(L, 0, 1)", "write ';' before it"),
    ("Flow(L; 0, 1, 2)", "write ')' before it"),
    ("Flow(L; At(L; 0), 1)", "cannot read 'At(L; 0), 1)' in ... ; write a scalar there"),
    ("Flow(K; 0, 1)", "unknown operator 'K'"),
    ("Flow(unit_bet; 0, 1)", "did you mean unit_beta"),
    ("Flow(L.z; 0, 1)", "write a row of the state, x or m"),
    ("Flow(2*a; 0, 1)", "unknown operator 'a'"),
    ("Flow(2; 0, 1)", "end the term before it in the name of an operator"),
    ("Flow(At(L; 0)*L; 0, 1)", "cannot read"),
    ("Int(L, N; ; 0, 1)", "cannot read '; 0, 1"),
    ("phi(a, 1)", "write a whole number"),
    ("flow(L; 0, 1)", "unknown form of an entry 'flow'; did you mean Flow"),
    ("__import__('os').system('true')", "cannot read"),
    ("lambda: 1", "cannot read ': 1'"),
    ("a[0]", "cannot read '[0]'"),
    ("é", "cannot read 'é'"),
    ("٣", "cannot read '٣'"),
    ("a\0b", "cannot read '\\x00b'"),
    (DEEP, f"at most {DEEPEST} parentheses"),
    ("a" + "/b" * 7, "divide at most 6 times"),
    ("1" + "0" * 302, "has no float64; give one of a usual size"),
    ("1/1" + "0" * 302, "has no float64"),
    ("ball(1" + "0" * 302 + ", 1)", "has no float64"),
    ("ball(1, -1)", "has a negative radius"),
    ("ball(a, 1)", "cannot read 'a, 1)' in ... ; write a whole number"),
    ("ball(1/0, 1)", "cannot read '0, 1)' in ... ; divide by something else"),
    ("a/ball(0, 1)", "divide by a number that is surely not 0"),
    ("sqrt(-1)", "take the root of a number that is not negative"),
    ("sqrt(a)", "write a whole number"),
    ("sqrt(" + "9" * 40 + ")", "has too many digits"),
    ("_a", "cannot read '_a'"),
    ("phi(0, 1)", "use phi(k) with k = 1 to"),
    ("phi(1, b - b)", "over a window of no length"),
    ("9" * (MOST_DIGITS + 1), f"write a whole number of at most {MOST_DIGITS} digits"),
    ("((((a^99)^99)^99)^99)^99", "write smaller powers"),
    ("((((a^99 + 1)^99 + 1)^99 + 1)^99 + 1)^99", "write smaller powers"),
    ("a" * (LONGEST + 1), f"write at most {LONGEST}"),
    (None, "write an entry as text"),
    (7, "write an entry as text"),
]


@pytest.mark.parametrize(("text", "reason"), NO_ENTRY, ids=lambda x: str(x)[:20])
def test_what_is_no_entry_is_refused_in_one_sentence_that_quotes_the_place(text, reason):
    """Whatever is outside the grammar or its limits."""
    message = refusal(text)
    assert all(part in message for part in reason.split(" ... ")), message


@given(st.one_of(st.text(max_size=40), st.text(alphabet="abLNm02/*+-^();,. FlowIntphi", max_size=60)))
def test_any_text_is_an_entry_or_refused_in_one_sentence(text):
    """No other exception, whatever the text."""
    try:
        entry = parse_entry(text)
    except InputError as error:
        one_sentence(str(error))
    else:
        assert parse_entry(str(entry)) == entry


@given(ENTRIES, st.data())
def test_a_damaged_text_is_an_entry_or_refused_in_one_sentence(entry, data):
    """One character replaced, dropped or doubled."""
    text = str(entry)
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from(["", text[place] * 2, *"()*/+-;,.^09aL"]))
    try:
        parse_entry(text[:place] + put + text[place + 1 :])
    except InputError as error:
        one_sentence(str(error))


def test_the_deepest_entry_that_is_read_can_be_used():
    """Its tree is walked, hashed, substituted and printed within Python's own limit."""
    chain = "/b" * 6
    text = "a"
    for _ in range(DEEPEST):
        text = f"({text}{chain} + 1)"
    entry = parse_entry(text)
    assert hash(entry) == hash(parse_entry(text))
    assert symbols(entry) == {"a", "b"}
    assert substitute(entry, {"b": 1}) == parse_entry(f"a + {DEEPEST}")
    assert parse_entry(str(entry)) == entry


def test_the_longest_entry_is_read_in_a_moment():
    """Sums and products are built once, not term by term."""
    terms = [f"a{i}" for i in range(3500)]
    assert len(parse_entry(" + ".join(terms)[:LONGEST]).args) > 2500
    assert len(parse_entry("*".join(terms)[:LONGEST]).args) > 2500


def test_a_sum_inside_a_sum_is_one_sum():
    """What a factor held together is merged when the factor goes."""
    entry = 2 * (a + b) + c - (a + b)
    assert isinstance(entry, Sum)
    assert entry == a + b + c or set(entry.args) == {a, b, c}


def test_every_form_of_the_table_is_one_that_entries_have():
    """Each pattern, with letters for its places, is read as the class it builds."""
    for name, form in FORMS.items():
        assert form.pattern.startswith(f"{name}(")
    assert parse_entry("Cov(X, M; a, b)".replace("X", "F").replace("M", "Q")) == Cov(op("F"), op("Q"), a, b)
