"""What a table leaves of the local error: the residuals of a fitted family with the numbers of each step put in."""

from __future__ import annotations

from typing import Any

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.problem.processes import process
from numtoolkit.program.budget import plan
from numtoolkit.program.program import problem_of, step_quantities
from numtoolkit.symbolic.classical import residuals
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.trees import show_term

WEIGHT = 2  # of the heaviest residuals: those that a fitted family leaves open


def table_defects(scheme: Scheme) -> list[dict[str, Any]]:
    """For a scheme with a table: a record {step, t, to, its coefficients, its residuals by tree} a step of the table.

    A residual of weight w is the coefficient of h^w and of its tree in the local error, numerical minus exact, h the
    length of the step in the scheme's clock; weights go to 2. The final step to noise level 0 has none, and neither
    has a step that spends the rest of a budget.
    cost     0.01 to 0.3 s a step of the scheme
    """
    table = scheme.table
    if table is None:
        return []
    times = table.times
    problem, values = problem_of(scheme, process(table.process)), scheme.parameters()
    nfe = table.about.get("nfe")
    run = plan(scheme, times, None if nfe is None else int(nfe))
    places = [(place, step) for place, step in scheme.steps.places() if place[0] in ("inner", "start")]
    numbers = step_quantities(scheme, problem, times, np.arange(len(times) - 1), values)
    records: list[dict[str, Any]] = []
    known: dict[tuple[str, int], dict[str, Any]] = {}
    for n, planned in enumerate(run):
        place = next((place for place, step in places if step is planned), None)
        if place is None:
            continue
        if place not in known:
            known[place] = _functions(scheme, place)
        own = {name: float(numbers[name][n]) for name in scheme.fitted}
        found = {tree: float(function(numbers, n)) for tree, function in known[place].items()}
        records.append({"step": n, "t": float(times[n]), "to": float(times[n + 1]), **own, **found})
    return records


def _functions(scheme: Scheme, place: tuple[str, int]) -> dict[str, Any]:
    """The residuals of a step as functions of the step quantities of all steps and its index, by tree, lighter first.

    A symbol with m primes is that of the step m steps back.
    """
    import sympy

    field, graded = residuals(StepInClock(scheme, place=place, exact=True), WEIGHT)
    found = {}
    for term, value in (pair for terms in graded for pair in terms.items()):
        exact = field.expression(value)
        names = sorted(map(str, exact.free_symbols))
        expression = sympy.lambdify([sympy.Symbol(name) for name in names], exact)
        found[show_term(term)] = lambda numbers, n, own=expression, names=names: own(
            *(numbers[name.rstrip("'")][n - name.count("'")] for name in names)
        )
    return found
