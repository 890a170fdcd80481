"""The printed form of a scheme: what it is, its steps one row a line, its tableau; as text and as LaTeX."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from numtoolkit.declare.checks import OF_LAW
from numtoolkit.declare.entries import (
    ONE,
    ZERO,
    At,
    Entry,
    Flow,
    Int,
    L,
    N,
    Scalarlike,
    operators,
    rebuild,
    substitute,
    symbol,
)
from numtoolkit.declare.scheme import MATCHED, ORDERS, Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import START, Eval, Item, Noise, Row, Step
from numtoolkit.errors import counted
from numtoolkit.printing.normal import Normal, is_weight, monomial, normal, written_out
from numtoolkit.printing.styles import TEXT, Latex, Text
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.predictions import SCORE
from numtoolkit.problem.processes import process
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import problem_of, projection

FILLING = "filling step"  # of `Steps.remainder`

LEGEND = (  # what a printed form uses, and what it says about it
    (r"\d\.\d|\dE[-+]\d", "a decimal is known to about half a unit of its last digit"),
    (r"\bh\b|\bz\b", "h is the length of the step in its clock"),
    (r"\bz\b|\b[LN]\b", "dy/du = L*y + N*E is what is integrated, u being that clock and E frozen"),
    (r"\bz\b", "z = h*L"),
    (r"\bexp\(", "exp(c*h*X) is the flow of X over the last part c of the row"),
    (r"\bphi\d", "phi_k(x) = (phi_(k-1)(x) - 1/(k-1)!)/x and phi_0 = exp"),
    (r"\bphi\d", "where X or M vary, h*phi_k(c*h*X)*M stands for the integral that it is for constant ones"),
    (r"\w\.[xm]\b", "X.x and X.m are the rows of X that move x and m"),
    (r"\bCov\(", "Cov(X, G; a, b) is the covariance of the noise of dy = X y du + G dW over [a, b]"),
    (r"\bE0, U0\b", "U0 is what the network predicts without guidance, E0 what it predicts with it"),
    (r"\bEN\b", "EN is the evaluation at the new state, which the next step begins with"),
    (r"\bH1\b", "H1, H2, ... are those with which the steps before began"),
    (r"\br0\b", "r0 = h_(n-1) / h_n"),
    (r"\br1\b", "r1 = h_(n-2) / h_n and so on"),
)


def text(scheme: Scheme, derived: str = "", width: int = 100) -> str:
    """The scheme as a person reads it, lines of at most `width` characters where words allow.

    derived   a line on what was proved of it, if known
    """
    lines = [f"{scheme.spec}: {scheme.family}, {'probability flow' if scheme.kind == 'ode' else 'stochastic'}"]
    for label, fact in (*_facts(scheme), ("derived", derived)):
        if fact:
            lines += textwrap.wrap(fact, width, initial_indent=f"  {label:13}", subsequent_indent=" " * 15)
    printed: list[str] = []
    for title, step in sections(scheme):
        printed += ["", title, *_rows(step, scheme, width)]
        if step == scheme.steps.inner and (table := tableau(scheme, step)) is not None:
            times = multiplied(table, scheme)
            printed += ["", f"tableau{times and f', each entry times {times}'}", *_grid(table, scheme, width)]
    for title, step in companions(scheme):
        printed += ["", title, *_rows(step, scheme, width)]
    body = "\n".join(printed)
    legend = [meaning for pattern, meaning in (*LEGEND, *_operators(scheme)) if re.search(pattern, body)]
    own = [quantity.name for quantity in scheme.quantities]
    legend += [f"{', '.join(own)} {'are' if own[1:] else 'is'} computed for each step of the grid"] if own else []
    where = textwrap.wrap("where " + "; ".join(legend), width, subsequent_indent="  ") if legend else []
    return "\n".join([*lines, *printed, "", *where])


def _operators(scheme: Scheme) -> list[tuple[str, str]]:
    """What a printed form says about the operators of a scheme, L and N apart, which the equation explains."""
    used = set().union(*(operators(entry) for step in scheme.steps.distinct for _, entry in step.entries()))
    names = sorted(operator.name for operator in used)
    others = sorted((operator.name, operator.sentence) for operator in used - {OPERATORS["L"], OPERATORS["N"]})
    frozen_at = (rf"\b({'|'.join(names)})(\.[xm])?\)?\(", "X(c) is the operator X at abscissa c")
    return [frozen_at, *((rf"\b{name}\b", f"{name} is {sentence}") for name, sentence in others)]


def latex(scheme: Scheme) -> str:
    """Every step in LaTeX's mathematics mode: a Butcher array if it is a tableau, else its rows, aligned."""
    parts = []
    for title, step in sections(scheme):
        table = tableau(scheme, step)
        times = table and multiplied(table, scheme)
        parts.append(f"% {scheme.spec}, {title} ({scheme.source}){(times and f', each entry times {times}') or ''}")
        parts += _aligned(step, scheme) if table is None else _array(table, scheme)
    for title, step in companions(scheme):
        parts += [f"% {scheme.spec}, {title} ({scheme.source})", *_aligned(step, scheme)]
    return "\n".join(parts)


def _latex(scheme: Scheme) -> Latex:
    return Latex({quantity.name: quantity.letter for quantity in scheme.quantities if quantity.letter})


def sections(scheme: Scheme) -> Iterator[tuple[str, Step]]:
    """Every step once, in the order of a run, titled with the places it stands in."""
    steps = scheme.steps
    titles: dict[Step, list[str]] = {}
    for i, step in enumerate(steps.start, 1):
        titles.setdefault(step, []).append("first step" if len(steps.start) == 1 else f"starting step {i}")
    titles.setdefault(steps.inner, []).append("inner step" if steps.start or steps.final else "step")
    for i, step in enumerate(steps.final, 1):
        titles.setdefault(step, []).append("last step" if len(steps.final) == 1 else f"final step {i}")
    if steps.final_to_zero is not None:
        titles.setdefault(steps.final_to_zero, []).append("last step to t = 0")
    for count, run in enumerate(steps.remainder, 1):
        evaluations = counted(count, "evaluation")
        if len(run) == 1:
            titles.setdefault(run[0], []).append(f"{FILLING} of {evaluations}")
        elif run[-1] not in titles:
            titles[run[-1]] = [f"{FILLING} that ends a run of {evaluations}"]
    for step, places in titles.items():
        yield ", ".join(places), step


def companions(scheme: Scheme) -> Iterator[tuple[str, Step]]:
    """Every companion as a step of that row alone, titled with the steps whose it is."""
    rows, out = scheme.companions, scheme.steps.inner.out
    for n, row in enumerate(rows, 1):
        which = "" if len(rows) == 1 else f" of step {n}" if n < len(rows) else f" of step {n} and further ones"
        yield f"companion{which}", Step((row,), out)


def _facts(scheme: Scheme) -> list[tuple[str, str]]:
    values, spectrum = dict(scheme.values), scheme.spectrum
    chosen = () if scheme.matched is None else MATCHED[:1]
    said = [p for p in scheme.params if p.name not in (chosen if spectrum is None else (*OF_LAW, *chosen))]
    clock = scheme.clock
    if clock.told is not None and isinstance(spectrum, Spectrum):
        clock = clock.told(spectrum)
    counts = [f"{scheme.nfe_per_step} a step"]
    other = [(title.partition(f", {FILLING}")[0], step.evaluations) for title, step in sections(scheme)]
    counts += [
        f"{count} in the {title}"
        for title, count in other
        if count != scheme.nfe_per_step and not title.startswith(FILLING)
    ]
    counts += ["filling steps spend what whole steps leave of a budget"] if scheme.steps.remainder else []
    return [
        ("source", scheme.source),
        ("also called", ", ".join(scheme.aliases)),
        ("processes", f"{' and '.join(kind.name for kind in scheme.kinds)}: {', '.join(scheme.processes)}"),
        ("freezes", f"the {scheme.frozen.name}: {scheme.frozen.sentence}"),
        ("network", projected(scheme) or ""),
        ("clock", f"{clock.name}: {clock.sentence}"),
        *[("parameter", parameter(p, values.get(p.name, p.default))) for p in said],
        ("matched", matched(scheme)),
        ("spectrum", told(scheme)),
        *[("quantity", quantity(own)) for own in scheme.quantities],
        ("tau", f"0 in steps that start outside {' to '.join(scheme.tau_between)}" if scheme.tau_between else ""),
        ("fitted", f"{', '.join(scheme.fitted)}; 0 without a table, which is {scheme.base}" if scheme.fitted else ""),
        ("evaluations", ", ".join(counts)),
        ("claims", claims(scheme.claims)),
    ]


def matched(scheme: Scheme) -> str:
    """What its lambda_s is chosen for, where runs choose it."""
    if scheme.matched is None:
        return ""
    return f"lambda_s of each run makes the variance at its end exact for data of deviation {scheme.matched}"


def projected(scheme: Scheme) -> str | None:
    """What it makes of a network with an output a state part, on the first process where it keeps too little."""
    for name in scheme.processes:
        said = projection(problem_of(replace(scheme, spectrum=None, matched=None), process(name)), SCORE)
        if said is not None:
            return f"on {name} it {said}"
    return None


def told(scheme: Scheme) -> str:
    """Which spectrum stands for its sigma_data and mean, in words; nothing where none does."""
    own = scheme.spectrum
    if not isinstance(own, Spectrum):
        return "" if own is None else "that of a pilot run of the network, in place of sigma_data and mean"
    groups = counted(len(own.values), "group")
    return f"{own.digest}, of {own.source or 'data'}: sigma_data in each of {groups} of directions, and the mean"


def parameter(param: Param, value: Fraction) -> str:
    """A parameter with its value, range and meaning on one line."""
    low = "" if param.low is None else f"{param.low} {'<' if param.open else '<='} "
    high = "" if param.high is None else f" <= {param.high}"
    bounds = f", {low}{param.name}{high}" if low or high else ""
    return f"{param.name} = {value}{bounds}: {param.meaning}"


def quantity(own: StepQuantity) -> str:
    """A step quantity on one line: what it is, its rule where that is an entry, what proofs take it for."""
    parts = [f"{own.name}: {own.sentence}" if own.sentence else own.name]
    if isinstance(own.rule, Entry):
        parts.append(f"{own.name} = {own.rule}, s and s_end the noise levels at the start and end of the step")
    if own.expansion == symbol(own.name):
        parts.append("it stays bounded as h falls")
    elif own.expansion is not None:
        parts.append(f"as h falls it is {own.expansion}, {own.name} there a number that stays bounded")
    return "; ".join(parts)


def claims(found: Claims | dict[str, int | None]) -> str:
    """Orders in words: "classical 2, stiff strong 2"."""
    orders = found if isinstance(found, dict) else {key: getattr(found, key) for key in ORDERS}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in orders.items() if value is not None)


# --- rows


def _plain(entry: Entry, scheme: Scheme) -> Entry:
    """The entry with bound parameters put in and, where the whole drift is frozen, L = 0 and N = 1."""
    bound: Entry = substitute(entry, dict(scheme.values))
    return _classical(bound) if scheme.frozen.whole else bound


def _classical(entry: Any) -> Any:
    if isinstance(entry, Flow):
        return ONE
    if isinstance(entry, Int):
        powers = enumerate(entry.weight, 1)
        return sum((w * (entry.b**k - entry.a**k) / k for k, w in powers), ZERO) * symbol("h")
    if isinstance(entry, At) and entry.X == N:
        return symbol("h")
    return rebuild(entry, _classical)


def _statement(item: Item, step: Step, scheme: Scheme, style: Text) -> tuple[str, str, str, list[str]]:
    """(abscissa, left side, = or ~, right side in parts that may stand on separate lines)."""

    def name(own: str) -> str:
        return style.start if own == START else style.end if own == step.out else style.name(own)

    def entry(own: Entry) -> Entry:
        return _plain(own, scheme)

    if isinstance(item, Noise):
        covariance = entry(item.covariance)
        return "", name(item.name), style.drawn, [f"{style.word('normal')}({style.entry(covariance, ONE)})"]
    at = style.abscissa(entry(item.at))
    if isinstance(item, Eval):
        told = style.abscissa(entry(item.network_time))
        note = "" if told == at else f"; {style.word('told')} {told}"
        return at, ", ".join(map(name, item.names)), "=", [f"{style.word(scheme.frozen.name)}({name(item.of)}{note})"]
    factors = [(style.factor(entry(e), entry(item.at)), name(source)) for source, e in item.terms]
    # Where L is 0 a difference of phi functions may be nothing.
    terms = [f"{factor} {source}".strip() for factor, source in factors if factor != "0"] or ["0"]
    return at, name(item.name), "=", [terms[0], *(f"- {t[1:]}" if t[0] == "-" else f"+ {t}" for t in terms[1:])]


def rows(scheme: Scheme, step: Step) -> list[dict[str, str]]:
    """The step as records: at (abscissa), name, is (what it is set to), and the whole line as latex."""
    found = []
    for item in step.items:
        at, name, _, parts = _statement(item, step, scheme, TEXT)
        _, left, relation, right = _statement(item, step, scheme, _latex(scheme))
        found.append({"at": at, "name": name, "is": " ".join(parts), "latex": f"{left} {relation} {' '.join(right)}"})
    return found


def _rows(step: Step, scheme: Scheme, width: int) -> list[str]:
    statements = [_statement(item, step, scheme, TEXT) for item in step.items]
    first, second = (max(len(s[i]) for s in statements) for i in (0, 1))
    lines = []
    for at, left, relation, parts in statements:
        head, indent = f"  {at:>{first}}  {left:>{second}} {relation} ", " " * (first + second + 7)
        whole = head + " ".join(parts)
        own = [whole] if len(whole) <= width else [head + parts[0], *(indent + part for part in parts[1:])]
        lines += [piece for line in own for piece in _folded(line, width, indent + "  ")]
    if step.carry:
        kept = (f"{new} = {TEXT.end if old == step.out else old}" for new, old in step.carry)
        lines.append(f"  hands on {', '.join(kept)}")
    return lines


def _folded(line: str, width: int, indent: str) -> list[str]:
    """The line in pieces that fit, broken before + and - alone, within as few parentheses as will do."""
    start = len(line) - len(line.lstrip())
    pieces = [line]
    for depth in range(1, 9):
        if max(map(len, pieces)) <= width:
            break
        pieces = textwrap.wrap(_held(line[start:], depth), width, initial_indent=line[:start], subsequent_indent=indent,
                               break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return [piece.replace("\0", " ") for piece in pieces]


def _held(text: str, depth: int) -> str:
    """The text with NUL for every space but those before a + or - inside at most `depth` parentheses."""
    held, level = [], 0
    for i, char in enumerate(text):
        level += (char == "(") - (char == ")")
        free = level <= depth and text[i + 1 : i + 3] in ("+ ", "- ")
        held.append("\0" if char == " " and not free else char)
    return "".join(held)


def _aligned(step: Step, scheme: Scheme) -> list[str]:
    rows = [_statement(item, step, scheme, _latex(scheme))[1:] for item in step.items]
    lines = [rf"  {left} &{relation} {' '.join(parts)}" for left, relation, parts in rows]
    return [r"\begin{aligned}", " \\\\\n".join(lines), r"\end{aligned}"]


# --- tableaus


@dataclass(frozen=True)
class Tableau:
    """The evaluations a step combines, and the abscissa and the row each is made at.

    A carried or first evaluation has no row; the last line is the new state and has no abscissa.
    """

    columns: tuple[str, ...]
    lines: tuple[tuple[Entry | None, Row | None], ...]

    def __repr__(self) -> str:
        return f"<Tableau of {', '.join(self.columns)}: {counted(len(self.lines), 'line')}>"

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the lines that have one."""
        return tuple(row for _, row in self.lines if row is not None)


def tableau(scheme: Scheme, step: Step) -> Tableau | None:
    """The step as a tableau, or None.

    Every row must be the flow of the first state plus multiples of evaluations that are told the time they are at.
    """
    rows = {item.name: item for item in step.items if isinstance(item, Row)}
    evaluations = {item.name: item for item in step.items if isinstance(item, Eval)}
    columns = tuple(sorted({*step.needs, *evaluations}))
    for row in rows.values():
        terms = dict(row.terms)
        if terms.pop(START, None) != Flow(L, ZERO, row.at) or not terms.keys() <= set(columns):
            return None
    if step.noises or step.out not in rows or any(item.network_time != item.at for item in evaluations.values()):
        return None
    own = {name: (item.at, rows.get(item.of)) for name, item in evaluations.items()}
    stages = [own[name] if name in own else (carried(scheme, name), None) for name in columns]
    return Tableau(columns, (*stages, (None, rows[step.out])))


def carried(scheme: Scheme, name: str) -> Entry:
    """The abscissa, in the step, of an evaluation that the steps before it hand on."""
    old = dict(scheme.steps.inner.carry)[name]
    own = next((item.at for item in scheme.steps.inner.items if isinstance(item, Eval) and item.name == old), None)
    r0 = symbol("r0")
    earlier: dict[str, Scalarlike] = {f"r{j}": symbol(f"r{j + 1}") / r0 for j in range(len(scheme.steps.start))}
    return -r0 + r0 * (substitute(carried(scheme, old), earlier) if own is None else own)


def multiplied(table: Tableau, scheme: Scheme) -> str:
    """What every entry of the tableau leaves out: h where the whole drift is frozen, h*N, or nothing.

    Nothing is left out where an entry freezes N at an abscissa of its own.
    """
    if scheme.frozen.whole:
        return "h"
    weights = [word for row in table.rows for words in _words(row, scheme).values() for word in words]
    return "h*N" if all(word and is_weight(word[-1]) and word[-1].N == N for word in weights) else ""


def _words(row: Row, scheme: Scheme) -> dict[str, Normal]:
    """The coefficients of the evaluations in a row of a tableau."""
    end = _plain(row.at, scheme)
    return {name: normal(_plain(entry, scheme), end) for name, entry in row.terms if name != START}


def _cells(table: Tableau, scheme: Scheme, style: Text) -> list[list[str]]:
    """A list a line, the abscissa first."""
    times = multiplied(table, scheme)

    def cell(words: Normal) -> str:
        if times == "h":
            return style.total({word: value * monomial({"h": -1}) for word, value in words.items()})
        return style.total(words if times else written_out(words))

    cells = []
    for c, row in table.lines:
        entries = {} if row is None else _words(row, scheme)
        label = "" if c is None else style.abscissa(_plain(c, scheme))
        cells.append([label, *(cell(entries[name]) if name in entries else "" for name in table.columns)])
    return cells


def _grid(table: Tableau, scheme: Scheme, width: int) -> list[str]:
    """Entries side by side, or one below the other where that is too wide."""
    cells = _cells(table, scheme, TEXT)
    labels, *columns = zip(*cells, strict=True)
    widths = [max(map(len, (name, *column))) for name, column in zip(table.columns, columns, strict=True)]
    margin, rule = max(map(len, labels)), sum(widths) + 2 * len(widths) - 2
    if margin + rule + 5 <= width:
        blocks = [[c, "  ".join(map(str.ljust, entries, widths))] for c, *entries in [["", *table.columns], *cells]]
    else:
        rule = width - margin - 5
        blocks = [
            [c, *([f"{name}: {e}" for name, e in zip(table.columns, entries, strict=True) if e] or [""])]
            for c, *entries in cells
        ]
    lines = [
        f"{c:>{margin}} | {entry}"
        for label, *entries in blocks
        for c, entry in zip_longest([label], entries, fillvalue="")
    ]
    lines.insert(len(lines) + 1 - len(blocks[-1]), f"{'-' * margin}-+-{'-' * rule}")
    later = " " * (margin + 2) + " |   "
    return [piece.rstrip() for line in lines for piece in _folded(f"  {line}", width, later)]


def _array(table: Tableau, scheme: Scheme) -> list[str]:
    *stages, last = ["  " + " & ".join(line) + r" \\" for line in _cells(table, scheme, _latex(scheme))]
    return [rf"\begin{{array}}{{c|{'c' * len(table.columns)}}}", *stages, r"  \hline", last, r"\end{array}"]
