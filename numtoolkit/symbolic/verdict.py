"""The verdict on a scheme: what the engines derive, held against what its declaration claims."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from itertools import accumulate
from typing import Any, Literal

from numtoolkit.declare.entries import Quotient, symbols, walk
from numtoolkit.declare.scheme import LENGTH, ORDERS, Scheme, StepQuantity
from numtoolkit.declare.steps import Place, Step
from numtoolkit.errors import brief
from numtoolkit.faces import Face, Page, Table
from numtoolkit.schemes import scheme as read
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.data_form import stiff_form
from numtoolkit.symbolic.expansions import NotAnalysedError
from numtoolkit.symbolic.fitted_defects import table_defects
from numtoolkit.symbolic.intervals import bits
from numtoolkit.symbolic.marginal import marginal_order
from numtoolkit.symbolic.noiseless import outside_window, without_noise
from numtoolkit.symbolic.numbers import UndecidedError
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.stiff import stiff_order
from numtoolkit.symbolic.weak import weak_order

ENDS = ("start", "final", "change")  # steps of every run, or of a few in it
SYMBOLIC = 4  # orders above take minutes with symbols for step ratios
SAMPLED = {f"r{j}": Fraction(ratio) for j, ratio in enumerate((2, 3, 5, 7, 11, 13))}


HOLDS = {"general": "every law", "gaussian": "Gaussian laws", "sampled": "every law, some step ratios", "": ""}


@dataclass(frozen=True)
class Verdict(Face):
    """Claimed and derived orders by name (`ORDERS`; None where meaningless, unclaimed or not derived).

    derived    the stiff orders of a scheme that freezes the noise in the noise level are those of its data form. Those
               in law are of the transition, and of the marginal from an exact marginal, which error curves show; that
               one holds for affine scores where it is above the other. A stochastic scheme whose noise its parameters
               take out is proved as the scheme of the flow that it is, of its order in law too
    verdict    proved: every claim is met exactly; higher: met, one exceeded; within: met as far as the digits of the
               scheme's numbers say; refuted: one is missed, whatever the digits left out are; not analysed: there is
               no claim to hold against what is derived, or a claim that nothing is derived for. What is known of a
               step quantity is that it stays bounded: as for a parameter, what holds does so for every value, and what
               is missed is so for some. Nothing is known of fitted coefficients: orders are those of a family whose
               coefficients stay bounded, and no claim is proved by them
    residuals  order, tree and value of what fails first (numerical minus exact): exact, or an interval
    ok         every claim is met, but those that the declaration itself records as refuted, and filling steps are
               consistent: a claim for which nothing is derived is not met
    ends       orders of the steps that start and end a run, "to zero" being the one to t = 0, "remainder m" one
               of m evaluations that spends the rest of a budget
    run        order of a whole run: one first-order step, an error of h^2, leaves it at 2 however good the others are
    run_marginal  the same in law of the marginal, for stochastic schemes
    filled     order of a run that ends with filling steps, the lowest of them; None where none do
    holds      "general" for every smooth law, "gaussian" for affine scores, "sampled" for every smooth law at the step
               ratios SAMPLED, which all but a null set share, "" if nothing is derived; companions of orders above 4
               are always derived at these
    steps      of a scheme with a table of fitted coefficients, each step's defects (`symbolic.fitted_defects`)
    why        one sentence on a claim that nothing is derived for, or on what is not analysed, else ""
    within     k: what is taken for 0, because the digits of the scheme's numbers leave it open, is below 2^-k in size;
               None where everything is decided exactly
    zeros      the residuals that may be 0 within the digits, to the order of `residuals`, like these
    stiff_residuals  kind (a name of `ORDERS`), order, tree and value of the stiff conditions that fail first, exact
               minus numerical, in phi functions
    tolerances how large the residuals are that order 1, 2, ... asks to be 0, one bound for each order that was looked
               at; none of a scheme with free parameters or step ratios
    where      of a scheme that takes a guided and an unguided output, one sentence: where its orders hold, and what
               a step does where the outputs differ; else ""
    """

    scheme: str
    claimed: dict[str, int | None]
    derived: dict[str, int | None]
    verdict: Literal["proved", "within", "refuted", "higher", "not analysed"]
    ok: bool
    holds: str
    ends: dict[str, int] = field(default_factory=dict)
    run: int | None = None
    run_marginal: int | None = None
    filled: int | None = None
    residuals: list[dict[str, object]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""
    within: int | None = None
    zeros: list[dict[str, object]] = field(default_factory=list)
    tolerances: dict[int, float] = field(default_factory=dict)
    stiff_residuals: list[dict[str, object]] = field(default_factory=list)
    where: str = ""

    def __repr__(self) -> str:
        orders = ", ".join(f"{key.replace('_', ' ')} {p}" for key, p in self.derived.items() if p is not None)
        return f"<Verdict {brief(self.scheme, 100)}: {in_words(self.verdict, self.within)}, {orders or 'no order'}>"

    def orders(self) -> list[dict[str, object]]:
        """What is claimed and derived of each kind of order, those apart of which neither is."""
        pairs = {name: (self.claimed.get(name), own) for name, own in self.derived.items()}
        return [
            {"kind": name.replace("_", " "), "claimed": claimed, "derived": own}
            for name, (claimed, own) in pairs.items()
            if (claimed, own) != (None, None)
        ]

    def page(self) -> Page:
        """Orders, those of the steps at the ends of a run, and what fails first."""
        facts = (
            ("holds for", HOLDS[self.holds]),
            ("order of a whole run", "" if self.run is None else str(self.run)),
            ("why", self.why),
            ("where", self.where),
        )
        kinds = {str(row["kind"]): [own for own in self.stiff_residuals if own["kind"] == row["kind"]]
                 for row in self.stiff_residuals}  # fmt: skip
        columns, formulas = ("order", "tree", "value"), ("tree", "value")

        def failing(caption: str, rows: list[dict[str, object]]) -> Table:
            return Table.of(caption, rows, lambda row: {key: row[key] for key in columns}, formulas)

        ends = [{"step": name, "order": p} for name, p in self.ends.items()]
        tables = (
            Table.of("orders", self.orders(), dict),
            Table.of("steps at the ends of a run", ends, dict),
            failing("local error, numerical minus exact", self.residuals),
            *(
                failing(f"what fails of {kind.replace('_', ' ')}, exact minus numerical", rows)
                for kind, rows in kinds.items()
            ),
        )
        return Page(f"{self.scheme}: {in_words(self.verdict, self.within)}", facts, tables)

    def latex(self) -> str:
        """Claimed and derived orders as an array in LaTeX's mathematics mode."""

        def line(*cells: object) -> str:
            return "  " + " & ".join(rf"\text{{{'' if cell is None else cell}}}" for cell in cells) + r" \\"

        head = [f"% {self.scheme}: {in_words(self.verdict, self.within)}", r"\begin{array}{lcc}"]
        lines = [line("order", "claimed", "derived"), r"  \hline", *(line(*row.values()) for row in self.orders())]
        return "\n".join([*head, *lines, r"\end{array}"])


def in_words(verdict: str, within: int | None) -> str:
    """The verdict as it is printed: "proved", "within 2^-48"."""
    return f"within 2^-{within}" if verdict == "within" else verdict


@dataclass(frozen=True)
class _Found:
    """What is derived of a scheme: its orders, those of the steps that start and end a run, and of their marginals.

    doubt   how large is what was taken for 0
    """

    derived: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(ORDERS))
    residuals: list[dict[str, object]] = field(default_factory=list)
    holds: str = ""
    ends: dict[str, int] = field(default_factory=dict)
    marginals: dict[str, int] = field(default_factory=dict)
    doubt: Fraction = Fraction(0)
    zeros: list[dict[str, object]] = field(default_factory=list)
    tolerances: dict[int, float] = field(default_factory=dict)
    stiff: list[dict[str, object]] = field(default_factory=list)
    why: str = ""


def verify(scheme: str | Scheme) -> Verdict:
    """Derive every order of a scheme and compare it with its claims.

    scheme   or its specification; bound parameters are used as given, the others stay symbolic
    raises   InputError for a specification that cannot be read
    cost     0.01 to 0.5 s for the members of the catalogue, up to half a minute for orders above 4; no network calls
    """
    scheme = read(scheme)
    claimed = {name: value for name, value in asdict(scheme.claims).items() if name in ORDERS}
    try:
        found = _found(scheme.agreed)
    except NotAnalysedError as reason:
        found = _Found(why=f"it is not analysed: {reason}")
    except UndecidedError as reason:
        found = _Found(why=str(reason))
    derived = found.derived
    missed = [name for name in ORDERS if _below(derived[name], claimed[name])]
    above = [name for name in ORDERS if _below(claimed[name], derived[name])]
    missing = [name for name in ORDERS if claimed[name] is not None and derived[name] is None]
    why = found.why
    if any(claimed.values()) and scheme.fitted:
        missed, missing = [], [name for name in ORDERS if claimed[name] is not None]
        why = f"its coefficients {', '.join(scheme.fitted)} are fitted: what is derived holds where they stay bounded."
    elif missing and not why:
        why = f"nothing is derived of {', '.join(missing)}, which it claims; take the claim back."
    within = bits(found.doubt)
    verdict: Literal["proved", "within", "refuted", "higher", "not analysed"]
    if missed or missing:
        verdict = "refuted" if missed else "not analysed"
    elif not any(claimed.values()):
        verdict = "higher" if above else "not analysed"
    else:
        verdict = "within" if within is not None else "higher" if above else "proved"
    consistent = all(p >= 1 for name, p in found.ends.items() if name.startswith("remainder"))
    ok = consistent and {*missed, *missing} <= set(scheme.claims.refuted)
    inner = derived["classical"] if scheme.kind == "ode" else derived["sde_weak"]
    run, filled = (_run_order(inner, found.ends, kinds) for kinds in (ENDS, (*ENDS, "remainder")))
    return Verdict(
        scheme.spec,
        claimed,
        derived,
        verdict,
        ok,
        found.holds,
        found.ends,
        run,
        _run_order(derived["sde_marginal"], found.marginals, ENDS),
        filled if any(name.startswith("remainder") for name in found.ends) else None,
        found.residuals,
        table_defects(scheme),
        why,
        within,
        found.zeros,
        found.tolerances,
        found.stiff,
        _where(scheme),
    )


def _where(scheme: Scheme) -> str:
    """What is not proved of a scheme with two outputs an evaluation."""
    if not scheme.both:
        return ""
    agree = "its orders are those where the guided and the unguided output agree"
    dropped = {quantity.name for quantity in scheme.quantities} - {own.name for own in scheme.agreed.quantities}
    if not any(_grows(quantity) for quantity in scheme.quantities if quantity.name in dropped):
        return f"{agree}; nothing is proved of steps in which they differ."
    return (
        f"{agree}; where they differ each step moves by their difference however short it is: it follows no flow as "
        "steps fall, and guides the more the more steps it takes."
    )


def _grows(quantity: StepQuantity) -> bool:
    """Whether a step quantity grows as the step falls."""
    if quantity.expansion is None:
        return False
    return any(isinstance(node, Quotient) and LENGTH.name in symbols(node.bottom) for node in walk(quantity.expansion))


def _found(scheme: Scheme) -> _Found:
    """What is derived of a scheme as it is, as one of the flow, or as both in turn."""
    if scheme.kind == "ode":
        return _found_of_flow(scheme)
    quiet = without_noise(scheme)
    if quiet is not None:
        return _in_law(_found_of_flow(quiet))
    found = _found_in_law(scheme)
    if not scheme.tau_between:
        return found
    outside = _in_law(_found_of_flow(outside_window(scheme)))
    # few steps have others behind them than they would have in a run of their kind: of order 1 whatever these are, as
    # evaluations of another dynamics differ by h in the mean and enter with a factor h
    changing = {"change of tau": 1} if scheme.steps.inner.needs else {}
    return replace(
        found,
        derived={name: _least(found.derived[name], outside.derived[name]) for name in ORDERS},
        ends={name: min(p, outside.ends.get(name, p)) for name, p in found.ends.items()} | changing,
        marginals={name: min(p, outside.marginals.get(name, p)) for name, p in found.marginals.items()} | changing,
        doubt=max(found.doubt, outside.doubt),
    )


def _found_of_flow(scheme: Scheme) -> _Found:
    ratios = SAMPLED if scheme.steps.start and (scheme.claims.classical or 0) > SYMBOLIC else None
    found = order(scheme, ratios=ratios)
    derived: dict[str, int | None] = dict.fromkeys(ORDERS)
    derived["classical"] = found.p
    doubts, why, form, failing = [found.doubt], "", stiff_form(scheme), list[dict[str, object]]()
    if form is not None:
        try:
            stiff = stiff_order(form)
            failing = stiff.table()
            derived |= {"stiff_strong": stiff.strong, "stiff_commuting": stiff.commuting, "stiff_weak": stiff.weak}
            doubts.append(stiff.doubt)
        except UndecidedError as reason:
            why = f"nothing is derived of its stiff order: {reason}"
    if scheme.companions:
        beside = order(scheme.corrected(), ratios=SAMPLED if (scheme.claims.companion or 0) > SYMBOLIC else None)
        derived["companion"] = beside.p
        doubts.append(beside.doubt)
    at_ends = {_name(place): order(scheme, place, ratios=ratios) for place in _ends(scheme)}
    return _Found(
        derived,
        found.table(),
        "sampled" if ratios else "general",
        {name: own.p for name, own in at_ends.items()},
        doubt=max([*doubts, *(own.doubt for own in at_ends.values())]),
        zeros=found.open(),
        tolerances={p: float(max(found.sizes[: p + 1])) for p in range(1, len(found.sizes))},
        stiff=failing,
        why=why,
    )


def _in_law(flow: _Found) -> _Found:
    """A step of order p of the flow moves every law, and every path without noise, as the flow does but for h^(p+1)."""
    p = flow.derived["classical"]
    derived = {name: p if name.startswith("sde") else own for name, own in flow.derived.items()}
    return replace(flow, derived=derived, marginals=flow.ends)


def _found_in_law(scheme: Scheme) -> _Found:
    law = weak_order(scheme)
    derived: dict[str, int | None] = dict.fromkeys(ORDERS)
    derived |= {"sde_weak": law.weak, "sde_strong": law.strong}
    ends, marginals, doubts = {}, {}, [law.doubt]
    if not scheme.balls:  # the marginal is decided at a point, which numbers known to some digits do not have
        derived["sde_marginal"] = marginal_order(scheme)
    for place in _ends(scheme):
        if StepInClock(scheme, place=place).declared.noises:
            own = weak_order(scheme, place)
            ends[_name(place)] = own.weak
            doubts.append(own.doubt)
            if not scheme.balls:
                marginals[_name(place)] = marginal_order(scheme, place)
        else:
            of_flow = order(scheme, place)
            ends[_name(place)] = of_flow.p
            doubts.append(of_flow.doubt)
    return _Found(derived, law.residuals, "general" if law.general else "gaussian", ends, marginals, max(doubts))


def _run_order(inner: int | None, ends: dict[str, int], kinds: tuple[str, ...]) -> int | None:
    return None if inner is None else min([inner, *(p + 1 for name, p in ends.items() if name.split()[0] in kinds)])


def _least(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)


def _ends(scheme: Scheme) -> list[Place]:
    """The places of a run's special steps that have an order of their own."""
    steps = scheme.steps
    # a run of several steps in the remainder is one of a lower member, judged there
    firsts = accumulate(map(len, steps.remainder), initial=0)
    single = {i for i, run in zip(firsts, steps.remainder, strict=False) if len(run) == 1 and not steps.final}

    def judged(place: Place, step: Step) -> bool:
        kind, index = place
        if kind == "final_to_zero":  # without the noise of its dynamics it is no step of them, nor with history
            return not step.needs and (scheme.tau == 0 or bool(step.noises))
        return index in single if kind == "remainder" else kind != "inner"

    return [place for place, step in steps.places() if judged(place, step)]


def _name(place: Place) -> str:
    kind, index = place
    return "to zero" if kind == "final_to_zero" else f"{kind} {index + (kind == 'remainder')}"


def _below(low: int | None, high: int | None) -> bool:
    return low is not None and high is not None and low < high
