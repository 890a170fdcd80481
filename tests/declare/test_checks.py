"""A declaration that has no meaning is refused when it is made, in one sentence that names the thing."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from numtoolkit.declare.entries import (
    N,
    adams,
    covariance,
    flow,
    integral,
    number,
    phi,
    sqrt,
    symbol,
)
from numtoolkit.declare.forms import (
    ancestral,
    churned,
    combine,
    evaluate,
    history,
    multistep,
    past,
    predict_correct,
    runge_kutta,
    tableau,
    word,
)
from numtoolkit.declare.runs import adams_bashforth, adams_moulton
from numtoolkit.declare.scheme import Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Eval, Noise, Row, Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue
from numtoolkit.symbolic.verdict import verify

c2, r0, r1 = symbol("c2"), symbol("r0"), symbol("r1")
HALF = Fraction(1, 2)
EULER = tableau([0], [[]], [phi(1)])
STAGE = Param("c2", HALF, Fraction(0), Fraction(1))
NOISE = Noise("xi", covariance())


def declared(step=EULER, **changed):
    """A scheme of one step, right but for what is changed."""
    given = {"name": "own", "family": "test", "source": "test", "frozen": "data", "clock": "log-snr"}
    steps = {name: changed.pop(name) for name in ("start", "final", "final_to_zero", "remainder") if name in changed}
    return Scheme(**({"steps": Steps(step, **steps) if steps else step} | given | changed))


def step_of(*items, out="out", carry=()):
    return Step(tuple(items), out, carry)


def rule(problem, t, index, values):
    return np.ones(len(index))


OUT = combine("out", 1, y=flow(), E0=phi(1).window(number(1)))
NOISY = combine("out", 1, y=flow(), E0=integral(), xi=1)
HEUN = tableau([0, 1], [[], [phi(1)]], [phi(1) / 2, phi(1) / 2])

# (what is wrong, how it is written, the sentence); the names A2 ... are those of the faults that were found
ENTRIES = [
    (
        "A2: phi of index 0",
        lambda: tableau([0], [[]], [phi(0)]),
        r"phi\(0\) weighs no evaluation; use phi\(k\) with k = 1",
    ),
    ("A2: phi of a negative index", lambda: phi(-1), r"phi\(-1\) weighs no evaluation"),
    ("A2: phi of an index between", lambda: phi(1.5), r"phi\(1.5\) weighs no evaluation"),
    ("phi of true", lambda: phi(True), r"phi\(True\) weighs no evaluation"),
    ("phi over no window", lambda: phi(1, 0), r"phi\(1, 0\) is over a window of no length"),
    ("phi over a block", lambda: phi(1, phi(1)), r"phi\(1, 1\) is a block where a scalar is needed"),
    ("A3: the inverse of a block", lambda: phi(2) ** -1, r"1 is divided by phi\(2, 1\), a block; divide by scalars"),
    ("a power that is no whole number", lambda: c2**0.5, "the power 0.5 of c2 is no whole number; .* sqrt"),
    ("a power that is true", lambda: c2**True, "the power True of c2 is no whole number"),
    ("division by zero", lambda: phi(1) / 0, r"the entry phi\(1, 1\) is divided by 0; divide by a number"),
    ("division by what may be zero", lambda: phi(1) / number("0.0"), "surely not 0"),
    ("division by a difference that is zero", lambda: 1 / (c2 - c2), "the entry 1 is divided by 0"),
    ("the inverse of zero", lambda: number(0) ** -1, "the entry 1 is divided by 0"),
    ("a scalar with a space", lambda: symbol("c 2"), "'c 2' is no name of a scalar; use a word"),
    ("a scalar without a name", lambda: symbol(""), "'' is no name of a scalar"),
    ("a scalar that is a number", lambda: symbol(2), "2 is no name of a scalar"),
    ("a window of blocks", lambda: integral(0, phi(1)), r"phi\(1, 1\) is a block where a scalar is needed"),
    ("an integral without a weight", lambda: integral(0, 1, ()), "has no coefficient; give at least one"),
    ("a node that stands twice", lambda: adams((0, -r0, 0)), "the nodes 0, -r0, 0 hold one twice"),
    ("an operator for an entry", lambda: phi(1) + N, "N, a Op, is no number of a declaration"),
    ("an operator times a block", lambda: phi(1) * N, r"phi\(1, 1\) is a block where a scalar is needed"),
]

FORMS = [
    (
        "A4: a weight of the first stage",
        lambda: tableau([0, 1], [[phi(3)], [phi(1)]], [phi(1)] * 2),
        r"A\[0\]\[0\] = phi\(3, 1\): stage 0 uses itself; give an explicit",
    ),
    (
        "A4: an abscissa of the first stage",
        lambda: tableau([1], [[]], [phi(1)]),
        r"c\[0\] = 1: the first stage .* begin c with 0",
    ),
    ("A4: a short b", lambda: tableau([0, 1], [[], [phi(1)]], [phi(1)]), "b has 1 weight for 2 stages; give 2"),
    (
        "A4: a missing row",
        lambda: tableau([0, 1], [[]], [phi(1)] * 2),
        r"A has 1 row for 2 stages; give one a stage, A\[0\] empty",
    ),
    (
        "A4: a diagonal entry",
        lambda: tableau([0, 1], [[], [phi(1), phi(1)]], [phi(1)] * 2),
        r"A\[1\]\[1\] = phi\(1, 1\): stage 1 uses itself",
    ),
    (
        "A4: an implicit entry",
        lambda: tableau([0, 1], [[0, phi(1)], [phi(1)]], [phi(1)] * 2),
        r"A\[0\]\[1\] = phi\(1, 1\): stage 0 uses stage 1, a later one",
    ),
    (
        "A4: numbers in an exponential tableau",
        lambda: tableau([0, HALF], [[], [HALF]], [0, 1]),
        r"b\[1\]: 1 times an evaluation lacks h N; .* runge_kutta",
    ),
    (
        "a number among phi functions",
        lambda: tableau([0], [[]], [phi(1) + 1]),
        r"b\[0\]: \(phi\(1, 1\) \+ 1\) times an evaluation lacks h N; write \(phi\(1, 1\) \+ 1\)\*phi\(1\) or",
    ),
    ("a flow of an evaluation", lambda: tableau([0], [[]], [flow()]), "times an evaluation lacks h N"),
    (
        "a short row",
        lambda: tableau([0, HALF, 1], [[], [phi(1)], [phi(1)]], [phi(1)] * 3),
        r"A\[2\] has 1 weight, but stage 2 has 2 stages before it; give 2",
    ),
    (
        "a long row of zeros",
        lambda: tableau([0, 1], [[], [phi(1), 0]], [phi(1)] * 2),
        r"A\[1\] has 2 weights, but stage 1 has 1 stage before it",
    ),
    ("a long b", lambda: tableau([0], [[]], [phi(1)] * 2), "b has 2 weights for 1 stage"),
    ("an empty tableau", lambda: tableau([], [], []), "c is empty"),
    (
        "a row that is a number",
        lambda: tableau([0, 1], [0, 1], [phi(1)] * 2),
        r"A\[0\] = 0 is no sequence; give a list",
    ),
    (
        "an abscissa that is a block",
        lambda: tableau([0, phi(1)], [[], [phi(1)]], [phi(1)] * 2),
        r"phi\(1, 1\) is a block where a scalar",
    ),
    (
        "a block in a tableau of numbers",
        lambda: runge_kutta([0], [[]], [phi(1)]),
        r"phi\(1, 1\) is a block where a scalar is needed",
    ),
    (
        "an implicit tableau of numbers",
        lambda: runge_kutta([0, 1], [[], [HALF, HALF]], [HALF, HALF]),
        r"A\[1\]\[1\] = 1/2: stage 1 uses itself",
    ),
    ("an implicit Euler step", lambda: runge_kutta([1], [[1]], [1]), r"c\[0\] = 1"),
    ("text for weights", lambda: runge_kutta([0], [[]], "1"), "b = '1' is no sequence"),
    (
        "multistep weights without a start",
        lambda: multistep(["3/2", "-1/2"]),
        "step 1 of a multistep run has 1 evaluation to weigh, got 2 weights; give .* starting steps",
    ),
    ("no multistep weights", lambda: multistep(), "multistep has no weights"),
    ("a step without weights", lambda: multistep([1], []), "step 2 .* got 0 weights"),
    ("a number that is a multistep weight", lambda: multistep(1), "the weights of step 1 = 1 is no sequence"),
    ("a block that is a multistep weight", lambda: multistep([phi(1)]), r"phi\(1, 1\) is a block"),
    ("history without weights", lambda: history([], 0), "the number of weights = 0 is no whole number from 1"),
    ("history of numbers", lambda: history([1], 0), r"weights\[0\]: 1 times an evaluation lacks h N"),
    ("history that keeps what it has not", lambda: history([phi(1)], 2), "keep = 2 is no whole number from 0 to 1"),
    ("history that keeps less than nothing", lambda: history([phi(1)], -1), "keep = -1 is no whole number"),
    ("history that keeps a truth", lambda: history([phi(1)], True), "keep = True is no whole number"),
    (
        "a corrector without the predicted value",
        lambda: predict_correct([phi(1)], [phi(1)], 0, True),
        "the predictor has 1 weight and the corrector 1; give the corrector one more",
    ),
    (
        "a predictor of numbers",
        lambda: predict_correct([1], [phi(1), phi(1)], 0, True),
        r"the predictor\[0\]: 1 times an evaluation lacks",
    ),
    ("an order of half", lambda: adams_bashforth(1.5), "the order k = 1.5 is no whole number from 1 to 12"),
    ("an order of zero", lambda: adams_bashforth(0), "the order k = 0 is no whole number"),
    ("steps of zero", lambda: adams_moulton(0), "the number of steps p = 0 is no whole number"),
    ("no past", lambda: past(0), "the count of past evaluations = 0 is no whole number"),
    (
        "churn of a step with history",
        lambda: churned(history([phi(1), phi(1)], 1), symbol("a")),
        "a churned step takes no history",
    ),
    (
        "churn of a step with noise",
        lambda: churned(step_of(NOISE, evaluate("E0"), NOISY), symbol("a")),
        "draws no other noise",
    ),
    ("churn by a block", lambda: churned(EULER, phi(1)), r"phi\(1, 1\) is a block where a scalar"),
    (
        "ancestral noise twice",
        lambda: ancestral(ancestral(EULER, symbol("d")), symbol("d")),
        "an ancestral step draws no other noise",
    ),
]

WORDS = [
    ("A5: kicks without a call", "B A", "the kick 'B' of the splitting word 'B A' comes before any of S0 S1 Sm"),
    ("A5: a kick before its call", "A S0 B", "the kick 'A' .* comes before any of S0 S1 Sm; put one first"),
    ("A5: a window of nothing", "S0 B/0 A", "the window of 'B/0' .* is no part; write B/2 for a half"),
    ("a window that is no number", "S0 B/x A", "the window of 'B/x' .* is no part"),
    ("a window below zero", "S0 B/-2 A", "the window of 'B/-2' .* is no part"),
    ("a window of no parts", "S0 B/ A", "the window of 'B/' .* is no part"),
    ("half of a letter", "S0 B/2 A", "the windows of B .* sum to 1/2; let them sum to 1"),
    ("a letter twice", "S0 B A B", "the windows of B .* sum to 2"),
    ("a letter that is unknown", "S0 X", "letter 'X' .* is unknown; use S0 S1 Sm O L A B K"),
    ("a part of a call", "S0/2 B A", "letter 'S0/2' .* is unknown"),
    ("an empty word", "", "the splitting word '' is empty; write one such as 'S0 B A'"),
    ("blanks", "  ", "the splitting word '  ' is empty"),
    ("a number", 3, "the splitting word 3 is empty"),
    ("no call", "O", "the splitting word 'O' calls no network"),
    ("no move", "S0", "the splitting word 'S0' moves nothing"),
]

SCHEMES = [
    # names
    ("no name", dict(name=""), "its name is ''; write a text that is not empty"),
    ("no family", dict(family=" "), "its family is ' '"),
    ("no source", dict(source=None), "its source is None"),
    (
        "a name that no command reads",
        dict(name="my scheme"),
        "the name 'my scheme' cannot be read back; write small letters",
    ),
    ("capitals, which commands read as small", dict(name="Own"), "the name 'Own' cannot be read back"),
    ("a name with parameters", dict(name="own(2)"), r"the name 'own\(2\)' cannot be read back"),
    ("the name of a file", dict(name="own.json"), "the name 'own.json' cannot be read back"),
    ("an alias that no command reads", dict(aliases=("a b",)), "the name 'a b' cannot be read back"),
    ("an alias twice", dict(aliases=("x", "x")), "the name 'x' stands twice"),
    ("an alias that is the name", dict(aliases=("own",)), "the name 'own' stands twice"),
    ("an alias as a text", dict(aliases="etd"), r"aliases = 'etd' is a str; write a tuple, of one as \(x,\)"),
    # parameters and step quantities
    (
        "A5: a parameter that nothing uses",
        dict(params=(STAGE,)),
        "the parameter 'c2' is never used; use it or leave it out",
    ),
    ("A5: a parameter that is a text", dict(params=("c2",)), r"params holds 'c2', a str; write params=\(Param\(name"),
    ("parameters as a text", dict(params="c2"), "params = 'c2' is a str; write a tuple"),
    ("a parameter alone", dict(params=STAGE), "params = Param.* is a Param; write a tuple"),
    ("parameters as a list", dict(params=[STAGE]), "params = .* is a list; write a tuple"),
    ("a parameter twice", dict(params=(STAGE, STAGE)), "the scalar 'c2' stands twice"),
    (
        "a default that is a float",
        dict(params=(Param("c2", 0.5),)),
        r"the default 0.5 of parameter 'c2' is not exact; write Fraction",
    ),
    (
        "a default that is a text",
        dict(params=(Param("c2", "1/2"),)),
        "the default '1/2' of parameter 'c2' is not exact",
    ),
    (
        "a default out of range",
        dict(params=(Param("c2", Fraction(2), Fraction(0), Fraction(1)),)),
        "c2 = 2 is out of range",
    ),
    (
        "a range that is empty",
        dict(params=(Param("c2", Fraction(1), Fraction(1), Fraction(0)),)),
        "parameter 'c2' runs from 1 to 0; give low < high",
    ),
    (
        "a parameter named as a step ratio",
        dict(params=(Param("r0", Fraction(1)),)),
        "the name 'r0' is a step ratio; give the scalar another",
    ),
    (
        "a parameter named as a proof's letter",
        dict(params=(Param("z1", Fraction(1)),)),
        "the name 'z1' is taken by the notation",
    ),
    ("a parameter that rules would not see", dict(params=(Param("steps", Fraction(1)),)), "the name 'steps' is taken"),
    ("a parameter whose name is no word", dict(params=(Param("c-2", Fraction(1)),)), "'c-2' is no name of a scalar"),
    (
        "a parameter named as a quantity",
        dict(params=(STAGE,), quantities=(StepQuantity("c2", rule),)),
        "the scalar 'c2' stands twice",
    ),
    (
        "a quantity that nothing uses",
        dict(quantities=(StepQuantity("a", rule),)),
        "the step quantity 'a' is never used",
    ),
    (
        "a quantity twice",
        dict(quantities=(StepQuantity("a", rule), StepQuantity("a", rule))),
        "the scalar 'a' stands twice",
    ),
    ("a quantity named as a step ratio", dict(quantities=(StepQuantity("r1", rule),)), "the name 'r1' is a step ratio"),
    ("a quantity without a rule", dict(quantities=("a",)), r"quantities holds 'a'; write StepQuantity\(name, rule\)"),
    ("a rule that is no function", dict(quantities=(StepQuantity("a", 1),)), "quantities holds .*; write StepQ"),
    (
        "a fitted quantity that nothing uses",
        dict(fitted=("kappa",), base="ddim"),
        "the fitted quantity 'kappa' is never used",
    ),
    (
        "a scalar that nobody declares",
        dict(step=tableau([0, c2], [[], [c2 * phi(1, c2)]], [0, phi(1)])),
        "'c2' is neither a parameter nor a step quantity",
    ),
    ("one that only a reference has", dict(reference=symbol("a")), "'a' is neither a parameter nor a step quantity"),
    (
        "one that only a network time has",
        dict(step=step_of(Eval("E0", "y", number(0), c2), OUT)),
        "'c2' is neither a parameter",
    ),
    (
        "a reference that is no entry",
        dict(reference=1),
        r"reference = 1 is no scalar entry; write one such as number\(1\)",
    ),
    ("a reference that is a block", dict(reference=flow()), "is no scalar entry"),
    (
        "a window of tau of one parameter",
        dict(tau=1, tau_between=("c2",)),
        r"tau_between = \('c2',\) is no pair of parameters",
    ),
    (
        "a window where tau is 0 anyway",
        dict(params=(STAGE, replace(STAGE, name="c3")), tau_between=("c2", "c3")),
        "tau_between is for a tau that is not 0 on scalar processes",
    ),
    (
        "tau that a grid gives",
        dict(tau=symbol("a"), quantities=(StepQuantity("a", rule),)),
        "tau = a is neither a number nor a parameter",
    ),
    # claims
    (
        "a claim below zero",
        dict(claims=Claims(classical=-1)),
        "the claim classical = -1 is no order; give a whole number",
    ),
    ("a claim of half an order", dict(claims=Claims(classical=1.5)), "the claim classical = 1.5 is no order"),
    ("a claim that is true", dict(claims=Claims(classical=True)), "the claim classical = True is no order"),
    ("a number for claims", dict(claims=2), r"claims = 2 are no Claims; write Claims\(classical=2\)"),
    (
        "an order in law of a deterministic scheme",
        dict(claims=Claims(sde_weak=1)),
        "it claims sde_weak but follows the probability flow",
    ),
    (
        "a classical order of a stochastic scheme",
        dict(reference=number(1), claims=Claims(classical=1)),
        "it claims classical but follows an SDE; claim orders of that",
    ),
    (
        "a refuted order that is unknown",
        dict(claims=Claims(1, refuted=("clasical",))),
        "refuted names 'clasical', which it does not claim; it claims classical",
    ),
    (
        "a refuted order that is not claimed",
        dict(claims=Claims(1, refuted=("stiff_weak",))),
        "refuted names 'stiff_weak', which it does not claim",
    ),
    ("a refuted order of no claims", dict(claims=Claims(refuted=("classical",))), "it claims nothing"),
    ("a refuted order as a text", dict(claims=Claims(1, refuted="classical")), "refuted = 'classical' is no tuple"),
    (
        "a refuted order twice",
        dict(claims=Claims(1, refuted=("classical", "classical"))),
        "the refuted claim 'classical' stands twice",
    ),
    # steps
    ("a number for a step", dict(step=1), "steps = 1 are no Steps; write a step with numtoolkit.declare.forms"),
    ("no items", dict(step=Step((), "y")), "inner step: it has no items"),
    ("no call", dict(step=step_of(combine("out", 1, y=flow()))), "its inner step calls no network"),
    ("a row of nothing", dict(step=step_of(evaluate("E0"), Row("out", number(1), ()))), "the row out has no terms"),
    ("a name twice", dict(step=step_of(evaluate("E0"), evaluate("E0"), OUT)), "the name 'E0' stands twice"),
    (
        "a row named as the state",
        dict(step=step_of(evaluate("E0"), combine("y", 1, y=1, E0=integral()), out="y")),
        "'y' is no name of a row",
    ),
    ("a name with a point", dict(step=step_of(evaluate("E.0"), OUT)), "'E.0' is no name of a row, evaluation or noise"),
    (
        "a source twice",
        dict(step=step_of(evaluate("E0"), Row("out", number(1), (("y", flow()), *[("E0", integral() / 2)] * 2)))),
        "in the row out the source 'E0' stands twice",
    ),
    (
        "a new state that is not there",
        dict(step=step_of(evaluate("E0"), OUT, out="end")),
        "its new state 'end' is no row of it; name one as out",
    ),
    (
        "a new state that is an evaluation",
        dict(step=step_of(evaluate("E0"), OUT, out="E0")),
        "its new state 'E0' is no row of it",
    ),
    (
        "a step that ends before its end",
        dict(step=step_of(evaluate("E0"), combine("out", HALF, y=flow(0, HALF), E0=integral(0, HALF)))),
        "its new state out is at abscissa 1/2; a step ends at 1",
    ),
    (
        "a name that is unknown",
        dict(step=step_of(evaluate("E0"), combine("out", 1, y=flow(), E0=integral(), E1=integral()))),
        "a step uses E1, which the step before does not hand on",
    ),
    (
        "a name that comes later",
        dict(step=step_of(combine("out", 1, y=flow(), E0=integral()), evaluate("E0"))),
        "a step uses E0 before it is made; put it first",
    ),
    (
        "an unknown name handed on",
        dict(step=step_of(evaluate("E0"), OUT, carry=(("E1", "E9"),))),
        "a step uses E9, which the step before does not hand on",
    ),
    (
        "a carried name twice",
        dict(step=step_of(evaluate("E0"), OUT, carry=(("E1", "E0"), ("E1", "E0")))),
        "the carried name 'E1' stands twice",
    ),
    (
        "an evaluation that nothing uses",
        dict(step=step_of(evaluate("E0"), evaluate("E1"), OUT)),
        "the evaluation E1 of a step is never used",
    ),
    (
        "one whose row is left out",
        dict(step=step_of(evaluate("E0"), evaluate("E1"), combine("P", 1, y=1, E1=integral()), OUT)),
        "the evaluation E1 of a step is never used",
    ),
    (
        "one that nothing uses at the start",
        dict(start=(step_of(evaluate("E0"), evaluate("E1"), OUT),)),
        "the evaluation E1 of a step is never used",
    ),
    (
        "noise that nothing uses",
        dict(step=step_of(NOISE, evaluate("E0"), OUT), reference=number(1), tau=1),
        "the noise xi of a step is never used",
    ),
    (
        "noise of the probability flow",
        dict(step=step_of(NOISE, evaluate("E0"), NOISY)),
        "it draws noise but follows the probability flow",
    ),
    (
        "noise that does not grow with the step",
        dict(step=step_of(Noise("xi", number(1)), evaluate("E0"), NOISY), reference=number(1)),
        "the covariance 1 of noise xi does not grow with the step",
    ),
    (
        "an abscissa that is a block",
        dict(step=step_of(Eval("E0", "y", phi(1), number(0)), OUT)),
        r"the abscissa of E0 is phi\(1, 1\), no scalar",
    ),
    (
        "a network time that is a block",
        dict(step=step_of(Eval("E0", "y", number(0), phi(1)), OUT)),
        r"the network time of E0 is phi\(1, 1\), no scalar",
    ),
    (
        "the evaluation of an evaluation",
        dict(step=step_of(evaluate("E0"), evaluate("E1", "E0"), combine("out", 1, y=flow(), E1=integral()))),
        "E1 evaluates E0, which is no state",
    ),
    (
        "a number times an evaluation",
        dict(step=step_of(evaluate("E0"), combine("out", 1, y=flow(), E0=1))),
        "out <- E0: 1 times an evaluation lacks h N",
    ),
    (
        "a number times a carried evaluation",
        dict(
            start=(history([phi(1)], 1),),
            step=step_of(evaluate("E0"), combine("out", 1, y=flow(), E0=integral(), E1=1), carry=(("E1", "E0"),)),
        ),
        "out <- E1: 1 times an evaluation lacks h N",
    ),
    (
        "a state weighed as an evaluation",
        dict(step=step_of(evaluate("E0"), combine("out", 1, y=integral(), E0=integral()))),
        "out <- y: .* weighs evaluations, not a state",
    ),
    (
        "a step ratio without a step before",
        dict(step=history([(1 + r0) * phi(1)], 0)),
        "step 1 of a run uses r0, the ratio to a step that it has not behind it; start with 1 step without it",
    ),
    (
        "a state weighed in part as an evaluation",
        dict(step=step_of(evaluate("E0"), combine("out", 1, y=flow() + integral(), E0=integral()))),
        "out <- y: .* weighs evaluations, not a state",
    ),
    (
        "a step ratio that no start has made",
        dict(final=(tableau([0], [[]], [r0 * phi(1)]),)),
        "step 3 of a run uses r0, the ratio to a step that it has not behind it",
    ),
    (
        "a step ratio from before the start",
        dict(start=(history([phi(1)], 1),), step=history([phi(1) + phi(1) / r1, -phi(1) / r1], 1)),
        "step 2 of a run uses r1",
    ),
    (
        "a remainder of another count",
        dict(remainder=((HEUN,),), step=HEUN),
        "remainder 1 spends 2 evaluations; give one of 1",
    ),
]


@pytest.mark.parametrize(("write", "sentence"), [case[1:] for case in ENTRIES], ids=[case[0] for case in ENTRIES])
def test_an_entry_without_meaning_is_refused(write, sentence):
    """An entry that means nothing is refused where it is written, and nothing else stands in for it."""
    with pytest.raises(InputError, match=sentence):
        write()


@pytest.mark.parametrize(("write", "sentence"), [case[1:] for case in FORMS], ids=[case[0] for case in FORMS])
def test_a_form_without_meaning_is_refused(write, sentence):
    """A tableau or multistep step of the wrong shape or kind is refused; no coefficient is dropped or filled in."""
    with pytest.raises(InputError, match=sentence):
        write()


@pytest.mark.parametrize(("text", "sentence"), [case[1:] for case in WORDS], ids=[case[0] for case in WORDS])
def test_a_splitting_word_without_meaning_is_refused(text, sentence):
    """A splitting word calls before it kicks, and every letter it uses takes exactly one step."""
    with pytest.raises(InputError, match=sentence):
        word(text)


@pytest.mark.parametrize(("changed", "sentence"), [case[1:] for case in SCHEMES], ids=[case[0] for case in SCHEMES])
def test_a_scheme_without_meaning_is_refused(changed, sentence):
    """A scheme says which scheme, which step and which name is wrong, before anything is proved of it."""
    with pytest.raises(InputError, match=sentence) as refusal:
        declared(**changed)
    text = str(refusal.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert text.startswith("scheme ")


def test_what_the_refusals_change_is_right_before():
    """The scheme that the table spoils is accepted and proved as it is."""
    assert verify(declared(claims=Claims(1, 1, 1, 1))).verdict == "proved"


def test_inverses_and_powers_are_those_of_arithmetic():
    """Negative powers are inverses and the power 0 is 1 (fault A3: they were all 1)."""
    assert c2**-1 == 1 / c2
    assert c2**-2 == 1 / (c2 * c2)
    assert number(3) ** -2 == number("1/9")
    assert number(0) ** 0 == phi(1) ** 0 == number(1)
    assert sqrt(2) ** -2 == number(HALF)


def test_every_scheme_of_the_catalogue_can_be_written_again():
    """What `replace` makes of a catalogued scheme passes the checks of its declaration."""
    for own in catalogue():
        assert replace(own) == own
        assert replace(own.unfitted(), table=None).name == own.name
        bound = own.bind(**own.parameters())
        assert replace(bound, steps=replace(bound.steps, inner=bound.exact.inner)).steps.inner == bound.exact.inner


def test_a_quantity_may_read_any_parameter():
    """A parameter that stands in no row is kept where a rule of a step quantity may read it."""
    step = tableau([0], [[]], [symbol("a") * phi(1)])
    assert declared(step, params=(STAGE,), quantities=(StepQuantity("a", rule),)).parameters() == {"c2": HALF}


def test_a_claim_that_nothing_is_derived_for_is_not_proved():
    """Stiff order has no meaning in process time: a claim of it is not analysed, whatever else is proved."""
    own = declared(frozen="drift", clock="time", claims=Claims(classical=1, stiff_strong=1))
    found = verify(own)
    assert (found.derived["classical"], found.verdict) == (1, "not analysed")
    assert "nothing is derived of stiff_strong" in found.why
