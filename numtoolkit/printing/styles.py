"""The two ways an entry is written: plain ASCII for a terminal, LaTeX for a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from numtoolkit.entries import At, Const, Cov, Entry, Flow, Int, L, N, Op
from numtoolkit.printing.normal import ONE, Block, Factor, Normal, Phi, Scalar, normal, scalar

GREEK = ("alpha", "beta", "gamma", "eta", "kappa", "lambda", "mu", "nu", "rho", "sigma", "tau", "xi")


class Text:
    """Entries as ASCII that reads like the formula: c2*phi1(c2 z), (1 - 1/(2*c2))*phi1(z), h*L.m(0)."""

    start, end = "y", "y'"

    def entry(self, entry: Entry, at: Entry) -> str:
        """An entry of a row at abscissa `at`."""
        return self.total(normal(entry, at))

    def factor(self, entry: Entry, at: Entry) -> str:
        """The entry as it stands before what it multiplies: nothing for 1, a sum in parentheses."""
        words = normal(entry, at)
        if words == {(): ONE}:
            return ""
        many = len(words) > 1 or any(len(value.terms) > 1 for word, value in words.items() if not word)
        return self.group(self.total(words)) if many else self.total(words)

    def total(self, words: Normal) -> str:
        """A sum of block words."""
        terms = []
        for word, value in words.items():
            blocks = [self.block(block) for block in word]
            if blocks and len(value.terms) > 1:
                terms.append(self.term(1, [self.group(self.scalar(value))], [], blocks))
            else:
                terms += self._terms(value, blocks)
        return " + ".join(terms).replace("+ -", "- ") or "0"

    def scalar(self, value: Scalar) -> str:
        return self.total({(): value})

    def abscissa(self, entry: Entry) -> str:
        return self.scalar(scalar(entry))

    def _terms(self, value: Scalar, blocks: list[str]) -> list[str]:
        terms = []
        for monomial, number in value.terms:
            top = [str(abs(number.numerator))] if abs(number.numerator) != 1 else []
            bottom = [str(number.denominator)] if number.denominator != 1 else []
            top += [self.power(factor, power) for factor, power in monomial if power > 0]
            bottom += [self.power(factor, -power) for factor, power in monomial if power < 0]
            terms.append(self.term(-1 if number < 0 else 1, top, bottom, blocks))
        return terms

    def block(self, block: Block) -> str:
        """One block: a flow, a phi function, a frozen operator, a covariance or any other integral."""
        if isinstance(block, Flow):
            return self.function(0, self.multiple(scalar(block.b) - scalar(block.a), block.L))
        if isinstance(block, Phi):
            own = "" if block.N == N else self.operator(block.N, True)
            return self.function(block.k, self.multiple(block.c, block.L)) + own
        if isinstance(block, At):
            return self.join("h", f"{self.operator(block.X, True)}({self.abscissa(block.c)})")
        window = f"{self.abscissa(block.a)}, {self.abscissa(block.b)}"
        if isinstance(block, Cov):
            return self.named("Cov", [block.L, block.G], window)
        weight = [f"{self.abscissa(w)}*s^{j}" for j, w in enumerate(block.weight)]
        return self.named("Int", [block.L, block.N], f"{' + '.join(weight)}; {window}")

    def multiple(self, c: Scalar, operator: Op) -> str:
        """c h times an operator, z standing for h L."""
        letter = "z" if operator == L else self.join("h", self.operator(operator, True))
        if len(c.terms) > 1:
            return self.side_by_side(self.group(self.scalar(c)), letter)
        bare = self._terms(c, [])[0] if c.terms else "0"
        return letter if bare == "1" else f"-{letter}" if bare == "-1" else self.side_by_side(bare, letter)

    def operator(self, operator: Op, as_factor: bool = False) -> str:
        """A combination of the problem's operators, a single row written as an index."""
        terms = []
        for coefficient, name, row in operator.terms:
            terms += self._terms(scalar(coefficient), [self.letter(name, row)])
        text = " + ".join(terms).replace("+ -", "- ") or "0"
        return self.group(text) if as_factor and len(terms) > 1 else text

    def power(self, factor: Factor, power: int) -> str:
        base = self.name(factor) if isinstance(factor, str) else self.group(self.scalar(factor))
        return base if power == 1 else self.raised(base, power)

    # --- what differs between the two

    def term(self, sign: int, top: list[str], bottom: list[str], blocks: list[str]) -> str:
        under = "" if not bottom else f"/{bottom[0]}" if len(bottom) == 1 else f"/({'*'.join(bottom)})"
        return ("-" if sign < 0 else "") + ("*".join([*top, *blocks]) or "1") + under

    def name(self, name: str) -> str:
        return name

    def letter(self, name: str, row: str) -> str:
        return f"{name}.{row}" if row else name

    def group(self, inner: str) -> str:
        return f"({inner})"

    def raised(self, base: str, power: int) -> str:
        return f"{base}^{power}"

    def join(self, left: str, right: str) -> str:
        return f"{left}*{right}"

    def side_by_side(self, left: str, right: str) -> str:
        return f"{left} {right}"

    def function(self, k: int, argument: str) -> str:
        """phi_k, phi_0 being the exponential."""
        return f"phi{k}({argument})" if k else f"exp({argument})"

    def named(self, name: str, operators: Sequence[Op], rest: str) -> str:
        return f"{name}({', '.join(map(self.operator, operators))}; {rest})"


class Latex(Text):
    r"""Entries as LaTeX: c_2\,\varphi_{1}(c_2 z), \frac{1}{2 c_2}, h L_{m}(0)."""

    start, end = "y_n", "y_{n+1}"
    letters = {"unit": "I", "ones": "J"}  # noqa: RUF012

    def term(self, sign: int, top: list[str], bottom: list[str], blocks: list[str]) -> str:
        over = r"\,".join(top)
        if bottom:
            over = rf"\frac{{{over or '1'}}}{{{' '.join(bottom)}}}"
        return ("-" if sign < 0 else "") + (r"\,".join(part for part in [over, *blocks] if part) or "1")

    def name(self, name: str) -> str:
        base, index = re.fullmatch(r"(.*?)_?([0-9]*|(?<=_)[A-Za-z]+)", name).groups()  # type: ignore[union-attr]
        base = rf"\{base}" if base in GREEK else base if len(base) == 1 else rf"\mathrm{{{base}}}"
        index = rf"\mathrm{{{index}}}" if len(index) > 1 and not index.isdigit() else index
        return f"{base}_{{{index}}}" if index else base

    def letter(self, name: str, row: str) -> str:
        letter = self.letters.get(name, name)
        return f"{letter}_{{{row}}}" if row else letter

    def group(self, inner: str) -> str:
        return rf"\left({inner}\right)"

    def raised(self, base: str, power: int) -> str:
        return f"{base}^{{{power}}}"

    def join(self, left: str, right: str) -> str:
        return f"{left} {right}"

    def function(self, k: int, argument: str) -> str:
        return rf"\varphi_{{{k}}}({argument})" if k else f"e^{{{argument}}}"

    def named(self, name: str, operators: Sequence[Op], rest: str) -> str:
        return rf"\mathrm{{{name}}}_{{{', '.join(map(self.operator, operators))}}}({rest})"


TEXT, LATEX = Text(), Latex()
