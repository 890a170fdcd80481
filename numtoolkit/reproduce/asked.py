"""Questions that claims are held against: each a function of plain data that asks an engine, and answers by names.

An answer is a table of numbers, texts and truths; None is a number that is not finite, or an order that there is not.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from math import isfinite, log
from typing import Any

import numpy as np

from numtoolkit import printing
from numtoolkit.declare.entries import ZERO, At, L
from numtoolkit.errors import InputError, choice, unknown
from numtoolkit.files.result_store import Cell
from numtoolkit.fitting import fit
from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map, error_curve, gaussian_flow, moments
from numtoolkit.measure.conditioning import condition
from numtoolkit.measure.conjugate_steps import conjugate_steps, evaluator_of, frozen_eigenvalues, literal_gap
from numtoolkit.measure.slopes import steepest
from numtoolkit.measure.transfer import transfer
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.phase_space import PSLD
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import lower
from numtoolkit.program.runs import program_of
from numtoolkit.reproduce import along_runs
from numtoolkit.reproduce.along_runs import DIGITS, Answer, digits
from numtoolkit.reproduce.subjects import law_at, process_name, resolved_law, scheme_facts, unchanged
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.conditions import conditions
from numtoolkit.symbolic.conjugate_stability import conjugate_stability
from numtoolkit.symbolic.derivation import Branch, derive
from numtoolkit.symbolic.local_error import local_error
from numtoolkit.symbolic.verdict import verify

OFF_CENTRE = Gaussian(0.3, 0.25)  # data that runs are compared on

LAWS = ("law", "on")  # what of a question names a law or network
RESOLVED: dict[str, Callable[[str], Any]] = {  # name of what is given -> its specification with every parameter
    "process": process_name,
    "grid": resolved,
    **dict.fromkeys(LAWS, lambda law: resolved_law(law)["law"]),
}


@dataclass(frozen=True)
class Question:
    """A kind of question.

    ask       what it is asked with, by name -> answer
    command   the words of the command that shows the same, () for none of its own
    schemes   what of it names a scheme, or several, whose declarations decide the answer
    """

    ask: Callable[..., Answer]
    command: Callable[..., Sequence[str]] = lambda **given: ()
    schemes: tuple[str, ...] = ("schemes", "scheme", "bases", "one", "other", "member")


def asked_cell(question: str, given: Mapping[str, Any]) -> Cell:
    """The cell of a question, `given` what it is asked with: it names every parameter, and the digests of what is read.

    raises   InputError for another question, one asked with other names, and a scheme that there is not
    """
    if question not in QUESTIONS:
        raise unknown("question", question, QUESTIONS)
    try:
        signature(QUESTIONS[question].ask).bind(**given)
    except TypeError as error:
        raise InputError(f"question {question!r} cannot be asked so: {error}; give what it takes.") from None
    own = QUESTIONS[question]
    named = [given[key] for key in own.schemes if given.get(key)]
    schemes = [name for names in named for name in ([names] if isinstance(names, str) else names)]
    declared = {name: scheme_facts(name)["scheme_sha256"] for name in schemes}
    whole = {key: RESOLVED[key](value) for key, value in given.items() if key in RESOLVED and value}
    laws = [given[key] for key in LAWS if given.get(key)]
    networks = {law: digest for law in laws if (digest := resolved_law(law)["law_sha256"])}
    return Cell.of(
        "asked", question=question, given={**given, **whole}, declared=declared or None, networks=networks or None
    )


def answer(
    question: str,
    given: Mapping[str, Any],
    declared: Mapping[str, str] | None = None,
    networks: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to the question of a cell, `given` what it is asked with.

    declared  the digest of each scheme
    networks  that of the file of each trained network
    raises   InputError for a scheme or file that has changed since, and for values of no meaning
    """
    for scheme, digest in (declared or {}).items():
        unchanged(scheme, digest)
    for law, digest in (networks or {}).items():
        law_at(law, digest)
    found = QUESTIONS[question].ask(**given)
    return {str(name): _plain(value) for name, value in found.items()}


def command_of(question: str, given: Mapping[str, Any]) -> str:
    """The command line that shows the answer by itself, "" where there is none."""
    words = QUESTIONS[question].command(**given)
    return shlex.join(["numtoolkit", *words]) if words else ""


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return float(value) if isfinite(value) else None
    return value


# --- proved


def orders(schemes: Sequence[str], kind: str = "classical") -> Answer:
    """The derived orders of schemes, of one kind, or of the whole run."""
    verdicts = {name: verify(name) for name in schemes}
    return {name: own.run if kind == "run" else own.derived[kind] for name, own in verdicts.items()}


def evaluations(schemes: Sequence[str], steps: int = 1, process: str = "", grid: str = "") -> Answer:
    """Network evaluations of an inner step of schemes, or of whole runs of so many steps of a grid on a process."""
    if process:
        return {name: program_of(name, process, grid, steps=steps).nfe for name in schemes}
    return {name: scheme_of(name).nfe_per_step for name in schemes}


def declared_rows(scheme: str) -> Answer:
    """What each state and evaluation of an inner step is, and "told NAME", the abscissa of an evaluation."""
    own = scheme_of(scheme)
    rows = printing.rows(own, own.steps.inner)
    told = {f"told {row['name']}": row["at"] for row in rows if row["is"].startswith(f"{own.frozen.name}(")}
    return {row["name"]: row["is"] for row in rows} | told


def open_conditions(scheme: str, order: int, kind: str, values: Mapping[str, str] | None = None) -> Answer:
    """The order to which all conditions of a kind hold of a scheme, and what is left of each that does not.

    values   of its symbols, which may hold others: "1/(2*r0)"
    """
    found = conditions(scheme, order, kind)
    if not values:
        return {"met": found.met} | {own.tree: found.text(own) for own in found.failing}
    import sympy

    put = [(own, sympy.simplify(found.expression(own).subs(values))) for own in found.failing]
    left = [(own, value) for own, value in put if value != 0]
    return {"met": min((own.order for own, _ in left), default=order + 1) - 1} | {o.tree: str(v) for o, v in left}


def local_errors(scheme: str, form: str) -> Answer:
    """The terms of the local error, numerical minus exact."""
    return {str(row["tree"]): row["value"] for row in local_error(scheme, form).table()}


def members(family: str, order: int, kind: str, member: str = "") -> Answer:
    """What a family has of an order of a kind: branches, their free parameters, what stands in the way, and whether one
    holds the scheme `member`."""
    found = derive(family, order, kind)
    branches = [own for own in found.branches if isinstance(own, Branch)]
    holds = {"member": any(own.member(scheme_of(member)) is not None for own in branches)} if member else {}
    witness = {} if branches else {"witness": str(getattr(found.witness, "tree", found.witness))}
    return {"branches": len(branches), "free": sum(own.dimension for own in branches)} | holds | witness


def words_left_out(scheme: str) -> Answer:
    """Of the stability theorem of a conjugate step: words to h and to h^2 of the step, and those that it leaves out."""
    found = conjugate_stability(scheme)
    words = [row for row in found.table() if row["step"] != "0"]
    differ = [row for row in words if row["step"] != row["theorem"]]
    return {f"left out of h^{order}": sum(row["order"] == order for row in differ) for order in (1, 2)} | {
        "shift": str(found.shift)
    }


# --- closed forms


def same_run(one: str, other: str, process: str, grid: str, steps: int) -> Answer:
    """To how many digits two runs, of the schemes `one` and `other`, are one, as maps of the state and in law.

    process, grid, steps   of both
    """
    programs = [lower(scheme_of(own), process_of(process), grid_of(grid, process_of(process), steps))
                for own in (one, other)]  # fmt: skip
    ends = [moments(own, law=OFF_CENTRE) for own in programs]
    found = [[end.mean, end.covariance] for end in ends]
    if not any(own.draws for own in programs):
        found = [[*own, *affine_map(program, OFF_CENTRE)] for own, program in zip(found, programs, strict=True)]
    ours, theirs = (np.concatenate([np.ravel(part) for part in own]) for own in found)
    return {"digits": digits(ours, theirs)}


def error_constants(schemes: Sequence[str], steps: int, order: int, variance: float = 0.25) -> Answer:
    """The size of (exact - numerical) / exact over (L / steps)^order of schemes, of data N(0, variance) on EDM, equal
    steps in log-SNR."""
    process, law = process_of("edm"), Gaussian(0.0, variance)
    times = grid_of("log-snr", process, steps)
    exact = gaussian_flow(process, law.variances, process.T, process.t_min)[0, 0, 0]
    width = log(process.T / process.t_min) / steps
    ends = {name: affine_map(lower(scheme_of(name), process, times), law)[0][0, 0, 0] for name in schemes}
    return {name: abs(exact - end) / exact / width**order for name, end in ends.items()}


def scales(schemes: Sequence[str], process: str, grid: str, nfe: int, scale: float) -> Answer:
    """Blur below 0, noise above 0: what runs of schemes make of data of one scale, by `process`, `grid` and `nfe`."""
    return {name: transfer(name, process, grid, nfe, [scale]).deviation[0] for name in schemes}


def stable_steps(schemes: Sequence[str], process: str, t: float, by: str, variance: float = 0.25) -> Answer:
    """The longest stable steps of schemes from t: by the theorem, of the zhat = A z that is run, or of the state.

    process, variance   of one coordinate of the data
    """
    choice("by", by, ("theorem", "zhat", "state"))
    return {name: getattr(conjugate_steps(name, process, variance, [t])[0], by) for name in schemes}


def eigenvalues(scheme: str, process: str, t: float, variance: float = 0.25) -> Answer:
    """The real parts of the eigenvalues of a scheme that the theorem is about, at t.

    process, variance   of one coordinate of the data
    """
    found = frozen_eigenvalues(scheme, process, variance, [t])[0].real
    return {"least": found.min(), "greatest": found.max()}


def conditioned(schemes: Sequence[str], process: str, grid: str, nfe: int) -> Answer:
    """The largest condition number of the change of variables of schemes over a run, of `process`, `grid` and `nfe`."""
    return {name: condition(name, process, grid, nfe).largest for name in schemes}


def literal(schemes: Sequence[str], process: str) -> Answer:
    """How far the exponential of the integral is from the map that is needed; 0 where they are one to 12 digits."""
    gaps = {name: literal_gap(name, process) for name in schemes}
    return {name: gap if gap > 10.0**-DIGITS else 0.0 for name, gap in gaps.items()}


def linear_parts(scheme: str, process: str, t: Sequence[float]) -> Answer:
    """The linear part that a scheme solves on a process of one block, per unit of its clock, at times t."""
    start, short = np.array(t), 1e-3 * np.array(t)
    evaluator = evaluator_of(scheme_of(scheme), process_of(process), start, start - short)
    found = evaluator.block(At(L, ZERO))[:, 0, 0] / evaluator.h
    return {f"at {own:g}": value for own, value in zip(t, found, strict=True)}


def same_process(one: str, other: str, t: Sequence[float]) -> Answer:
    """To how many digits two processes, `one` and `other`, have the same drift, noise and kernel at times t."""
    at = np.array(t)
    parts = [[own.drift(at), own.diffusion(at), *own.kernel(at)] for own in map(process_of, (one, other))]
    return {"digits": min(digits(mine, theirs) for mine, theirs in zip(*parts, strict=True))}


def phase_space(process: str) -> Answer:
    """The inverse mass, critical damping, and to how many digits N(0, diag(1, M)) is stationary."""
    own = process_of(process)
    if not isinstance(own, PSLD):
        raise InputError(f"process {process!r} has no mass; take psld or cld.")
    law, F, Q = np.diag([1.0, 1 / own.inverse_mass]), own.unit_drift, own.unit_diffusion
    left = F @ law + law @ F.T + Q
    damping = np.abs(np.linalg.eigvals(F).imag).max() < 1e-6 and np.ptp(np.linalg.eigvals(F).real) < 1e-6
    return {
        "1/M": own.inverse_mass,
        "critical": bool(damping),
        "digits": digits(left, 0 * left),
    }


def slopes(variances: Sequence[float]) -> Answer:
    """The steepest data prediction in log-SNR, and velocity in the noise level, along paths that end at 1."""
    found = {variance: steepest(variance) for variance in variances}
    return {
        f"{name}, variance {variance:g}": own[i]
        for i, name in enumerate(("in log-SNR", "in the noise level"))
        for variance, own in found.items()
    }


# --- fitted


def fits(
    schemes: Sequence[str],
    process: str,
    law: str,
    grid: str,
    steps: int,
    substeps: int,
    samples: int,
    value: str = "path",
    batch: int = 200,
    on: str = "",
) -> Answer:
    """Fitted schemes on a law: errors on other samples, or residuals.

    process, grid, steps   of the runs
    batch     seeds that are fitted on
    substeps  of the target, 0 for the exact flow
    law       or a network, by name
    value     path or law: errors of samples, from 0, that were not fitted on; residual: the sum over steps of those of
              the fit, and of its base
    on        the law that errors are of, by default the one that is fitted on
    """
    found: Answer = {}
    for name in schemes:
        declared, seeds = scheme_of(name), range(1_000_000, 1_000_000 + batch)
        if declared.fitted:
            table = fit(declared, process, law_at(law, None), grid, steps=steps, substeps=substeps or None, seeds=seeds)
            declared = declared.with_table(table)
            if value not in ("path", "law"):
                found |= {name: sum(step.residual for step in table.steps)}
                found |= {f"base of {name}": sum(step.base_residual for step in table.steps)}
                continue
        nfe = program_of(declared, process, grid, steps=steps).nfe
        (record,) = error_curve(declared, process, law_at(on or law, None), grid, [nfe], range(samples), metric=value)
        found[name] = record["error"]
    return found


# --- arithmetic of printed numbers


def reduction(before: float, after: float) -> Answer:
    """By which part one number is below another."""
    return {"less": 1 - after / before}


def line(x: Sequence[float], y: Sequence[float]) -> Answer:
    """The straight line nearest to points, and the largest distance of a point from it, relative to the point."""
    slope, start = np.polyfit(x, y, 1)
    return {"slope": slope, "start": start, "largest": np.abs((start + slope * np.array(x)) / np.array(y) - 1).max()}


def printed(values: Mapping[str, Any]) -> Answer:
    """What stands elsewhere in print."""
    return dict(values)


def _verify(schemes: Sequence[str], kind: str = "") -> Sequence[str]:
    return ["verify", *schemes]


def _conditions(scheme: str, order: int, kind: str, values: Mapping[str, str] | None = None) -> Sequence[str]:
    return ["conditions", scheme, "--order", str(order), "--kind", kind]


def _derive(family: str, order: int, kind: str, member: str = "") -> Sequence[str]:
    return ["derive", family, "--order", str(order), "--kind", kind]


def _transfer(schemes: Sequence[str], process: str, grid: str, nfe: int, scale: float) -> Sequence[str]:
    return ["transfer", "--process", process, "--schemes", ",".join(schemes), "--grid", grid, "--nfe", str(nfe)]


QUESTIONS = {
    "orders": Question(orders, _verify),
    "evaluations": Question(evaluations),
    "rows": Question(declared_rows, lambda scheme: ["show", scheme]),
    "conditions": Question(open_conditions, _conditions),
    "splitting": Question(open_conditions, _conditions, schemes=()),
    "local-errors": Question(local_errors),
    "members": Question(members, _derive),
    "theorem": Question(words_left_out),
    "same-run": Question(same_run),
    "error-constants": Question(error_constants),
    "scales": Question(scales, _transfer),
    "stable-steps": Question(stable_steps),
    "eigenvalues": Question(eigenvalues),
    "conditioned": Question(conditioned),
    "literal": Question(literal),
    "linear-parts": Question(linear_parts),
    "same-process": Question(same_process, schemes=()),
    "phase-space": Question(phase_space),
    "slopes": Question(slopes),
    "fits": Question(fits),
    "semilinear": Question(along_runs.semilinear, schemes=()),
    "recursion": Question(along_runs.recursion),
    "scores-apart": Question(along_runs.scores_apart),
    "to-data": Question(along_runs.to_data),
    "gains": Question(along_runs.gains),
    "runs": Question(along_runs.runs),
    "modes": Question(along_runs.modes),
    "same-levels": Question(along_runs.same_levels),
    "normal-equations": Question(along_runs.normal_equations),
    "targets": Question(along_runs.targets),
    "reduction": Question(reduction),
    "line": Question(line),
    "printed": Question(printed),
}
