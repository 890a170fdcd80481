"""What changes along paths of Gaussian data, in exact numbers: the frozen quantities and the slope of the flow.

Along the flow of N(m, v) a state is x - m = K sqrt(v + s^2), s the noise level. In the share J = v / (v + s^2) of the
data in what is seen, which rises from 0 to 1 with dJ / dlambda = 2 J (1 - J), lambda = -log s, all is algebraic:

    data prediction   D - m = (x_0 - m) sqrt(J)                      of (x_0 - m), the distance at the end of the path
    noise prediction  e = (x - D) / s = K sqrt(1 - J)                of K = (x_0 - m) / sqrt(v)
    slope of the flow in s itself: e again; de / ds = J^(3/2)        of (x_0 - m) / v
"""

from __future__ import annotations

from typing import Any

from numtoolkit.errors import choice, whole

QUANTITIES = ("data", "noise", "slope")


def path_derivative(quantity: str, order: int = 1) -> Any:
    """The derivative of a quantity along a path, of Gaussian data, as a sympy expression in the share J.

    quantity  "data" or "noise", the prediction, in lambda; "slope", e as dx / ds, in the noise level, of order 1
    order     of the derivative, 1 to 20; of "slope" 1
    returns   the expression, in the units of the module
    raises    InputError for another quantity or order
    cost      no evaluations; some ms
    """
    import sympy

    choice("quantity", quantity, QUANTITIES)
    whole("order", order, 1, 1 if quantity == "slope" else 20)
    J = sympy.Symbol("J", positive=True)
    if quantity == "slope":  # ds / dlambda = -s, and s^2 = v (1 - J) / J
        return sympy.powsimp(-path_derivative("noise") / sympy.sqrt((1 - J) / J))
    found = sympy.sqrt({"data": J, "noise": 1 - J}[quantity])
    for _ in range(order):
        found = sympy.factor(2 * J * (1 - J) * sympy.diff(found, J))
    return found


def largest_slope(quantity: str) -> tuple[Any, Any]:
    """How fast a quantity changes at most along a path of Gaussian data, whatever their variance, and where.

    quantity  as of `path_derivative`
    returns   (size, J), sympy numbers, in the units of the module
    raises    as `path_derivative`
    cost      some 10 ms
    """
    import sympy

    slope = path_derivative(quantity)
    J = sympy.Symbol("J", positive=True)
    inner = [own for own in sympy.solve(sympy.diff(slope, J), J) if 0 < own < 1]
    sizes = {at: abs(sympy.limit(slope, J, at)) for at in (*inner, sympy.Integer(0), sympy.Integer(1))}
    at = max(sizes, key=lambda own: sizes[own])
    return sizes[at], at
