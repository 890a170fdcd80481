"""The two ways an entry is written: plain ASCII for a terminal, LaTeX for a paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from numtoolkit.declare.entries import NONE, At, Cov, Entry, Flow, L, N, Op
from numtoolkit.printing.normal import (
    ONE,
    Block,
    Factor,
    Group,
    Normal,
    Phi,
    Scalar,
    normal,
    scalar,
    shared,
    written_out,
)
from numtoolkit.problem.problem import Operator

GREEK = ("alpha", "beta", "gamma", "eta", "kappa", "lambda", "mu", "nu", "rho", "sigma", "tau", "xi")
Part = tuple[str, bool]  # a factor, and whether it is a sum


class Text:
    """Entries as ASCII that reads like the formula: c2*h*phi1(c2*z)*N, (1 - 1/(2*c2))*phi1(z), h*L.m(0)."""

    start, end, drawn = "y", "y'", "~"

    def entry(self, entry: Entry, at: Entry) -> str:
        """An entry of a row at abscissa `at`, the h and the N of phi functions left out."""
        return self.total(normal(entry, at))

    def factor(self, entry: Entry, at: Entry) -> str:
        """The entry as it stands before what it multiplies, h and N written out: "" for 1, a sum in parentheses."""
        words = written_out(normal(entry, at))
        text, is_sum = self._part(words)
        return "" if words == {(): ONE} else self.group(text) if is_sum else text

    def abscissa(self, entry: Entry) -> str:
        """A scalar entry, such as where a row stands in its step."""
        return self.scalar(scalar(entry))

    def scalar(self, value: Scalar) -> str:
        """A sum of monomials."""
        return self.total({(): value})

    def total(self, words: Normal) -> str:
        """A sum of block words, what all its terms share taken out."""
        return self._part(words)[0]

    def _part(self, words: Normal) -> Part:
        count = sum(len(value.terms) for value in words.values())
        if count < 2:
            return (self._sum(words) if count else "0"), False
        outer = shared(list(words.values()))
        if len(words) == 1 and () not in words:
            return self._sum(words), False
        if outer == ONE:
            return self._sum(words), True
        inner = {word: value * outer.inverse() for word, value in words.items()}
        return self._product(outer, [(self._sum(inner), True)], []), False

    def _sum(self, words: Normal) -> str:
        terms = []
        for word, value in words.items():
            blocks = [self.block(block) for block in word]
            if blocks and len(value.terms) > 1:
                outer = shared([value])
                terms.append(self._product(outer, [(self._sum({(): value * outer.inverse()}), True)], blocks))
            else:
                terms += [self._product(Scalar((term,)), [], blocks) for term in value.terms]
        return " + ".join(terms).replace("+ -", "- ")

    def _product(self, outer: Scalar, inner: list[Part], blocks: list[str]) -> str:
        """A monomial times further factors and blocks."""
        ((monomial, number),) = outer.terms
        top = [(str(abs(number.numerator)), False)] if abs(number.numerator) != 1 else []
        bottom = [(str(number.denominator), False)] if number.denominator != 1 else []
        top += [self.power(factor, power) for factor, power in monomial if power > 0] + inner
        bottom += [self.power(factor, -power) for factor, power in monomial if power < 0]
        return ("-" if number < 0 else "") + self.product(top, bottom, blocks)

    def power(self, factor: Factor, power: int) -> Part:
        """A positive power of a factor."""
        base = self.name(factor) if isinstance(factor, str) else self.scalar(factor)
        if power == 1:
            return base, not isinstance(factor, str)
        return self.raised(base if isinstance(factor, str) else self.group(base), power), False

    def block(self, block: Block) -> str:
        """One block: a flow, a phi function, a frozen operator, a covariance, another integral or a sum of such."""
        if isinstance(block, Phi):
            other = "" if block.N in (N, NONE) else f"; {self.operator(block.N)}"
            return self.function(block.k, self.multiple(block.c, block.L) + other)
        if isinstance(block, Op):
            return self.operator(block, True)
        if isinstance(block, At):
            return self.product([("h", False)], [], [f"{self.operator(block.X, True)}({self.abscissa(block.c)})"])
        if isinstance(block, Group):
            return self.group(self.total(dict(block.words)))
        window = f"{self.abscissa(block.a)}, {self.abscissa(block.b)}"
        if isinstance(block, Flow):
            return self.named("Flow", [block.L], window)
        if isinstance(block, Cov):
            return self.named("Cov", [block.L, block.G], window)
        weight = " + ".join(f"{self.abscissa(w)} s^{j}" for j, w in enumerate(block.weight))
        return self.named("Int", [block.L, block.N], f"{weight}; {window}")

    def multiple(self, c: Scalar, operator: Op) -> str:
        """c h times an operator, z standing for h L."""
        blocks = ["z"] if operator == L else ["h", self.operator(operator, True)]
        if len(c.terms) > 1:
            return self._product(ONE, [(self.scalar(c), True)], blocks)
        return self._product(c, [], blocks) if c.terms else "0"

    def operator(self, operator: Op, as_factor: bool = False) -> str:
        """A combination of the problem's operators."""
        terms = [self._product(scalar(c), [], [self.letter(part, row)]) for c, part, row in operator.terms]
        text = " + ".join(terms).replace("+ -", "- ") or "0"
        return self.group(text) if as_factor and len(terms) > 1 else text

    # --- what differs between the two

    def product(self, top: list[Part], bottom: list[Part], blocks: list[str]) -> str:
        """The factors of `top` times the blocks, over the factors of `bottom`."""
        under = [self.group(text) if is_sum else text for text, is_sum in bottom]
        over = [self.group(text) if is_sum else text for text, is_sum in top] + blocks
        line = "" if not under else f"/{under[0]}" if len(under) == 1 else f"/({'*'.join(under)})"
        return ("*".join(over) or "1") + line

    def name(self, name: str) -> str:
        """The name of a scalar, a row, an evaluation or a noise."""
        return name

    def word(self, word: str) -> str:
        """A word of English among the symbols."""
        return word

    def letter(self, operator: Operator, row: str) -> str:
        """A named operator, or one row of it."""
        return f"{operator.name}.{row}" if row else operator.name

    def group(self, inner: str) -> str:
        """A sum in parentheses."""
        return f"({inner})"

    def raised(self, base: str, power: int) -> str:
        """A base with its exponent."""
        return f"{base}^{power}"

    def function(self, k: int, argument: str) -> str:
        """phi_k, phi_0 being the exponential."""
        return f"phi{k}({argument})" if k else f"exp({argument})"

    def named(self, name: str, operators: Sequence[Op], rest: str) -> str:
        """A block that is no phi function: its name, the operators it is of, and the rest of its arguments."""
        return f"{name}({', '.join(map(self.operator, operators))}; {rest})"


class Latex(Text):
    r"""Entries as LaTeX: c_{2}\,\varphi_{1}(c_{2}\,z), \frac{1}{2\,c_{2}}, h\,L_{m}(0).

    letters    of names that are printed otherwise than spelt
    """

    start, end, drawn = "y_{n}", "y_{n+1}", r"\sim"

    def __init__(self, letters: Mapping[str, str] | None = None) -> None:
        self.letters = letters or {}

    def product(self, top: list[Part], bottom: list[Part], blocks: list[str]) -> str:
        def line(parts: list[Part], alone: bool) -> str:
            return r"\,".join(self.group(text) if is_sum and not alone else text for text, is_sum in parts) or "1"

        over = line(top, bool(bottom) and len(top) == 1) if top else ""
        if bottom:
            over = rf"\frac{{{over or '1'}}}{{{line(bottom, len(bottom) == 1)}}}"
        return r"\,".join(part for part in [over, *blocks] if part) or "1"

    def name(self, name: str) -> str:
        if name in self.letters:
            return self.letters[name]
        if name[0].isdigit():
            return name
        if root := re.fullmatch(r"sqrt\((\d+)\)", name):
            return rf"\sqrt{{{root[1]}}}"
        found = re.fullmatch(r"([A-Z])([A-Z0-9]+)|([A-Za-z]+?)(?:_([A-Za-z0-9]+)|([0-9]*))", name)
        if found is None:
            return rf"\mathrm{{{name}}}".replace("_", r"\_")
        base = found[1] or found[3]
        index = found[2] or found[4] or found[5] or ""
        base = rf"\{base}" if base in GREEK else base if len(base) == 1 else rf"\mathrm{{{base}}}"
        index = rf"\mathrm{{{index}}}" if len(index) > 1 and not index.isdigit() else index
        return f"{base}_{{{index}}}" if index else base

    def word(self, word: str) -> str:
        return rf"\mathrm{{{word}}}"

    def letter(self, operator: Operator, row: str) -> str:
        letter = operator.latex or operator.name
        return f"{letter}_{{{row}}}" if row else letter

    def group(self, inner: str) -> str:
        return rf"\left({inner}\right)"

    def raised(self, base: str, power: int) -> str:
        return f"{base}^{{{power}}}"

    def function(self, k: int, argument: str) -> str:
        return rf"\varphi_{{{k}}}({argument})" if k else f"e^{{{argument}}}"

    def named(self, name: str, operators: Sequence[Op], rest: str) -> str:
        return rf"\mathrm{{{name}}}_{{{', '.join(map(self.operator, operators))}}}({rest})"


TEXT = Text()
