"""What tests of derivations share: how many directions the solutions of a family have, by an independent count."""

from __future__ import annotations

from fractions import Fraction

from numtoolkit.symbolic.equations import conditions_of, equations

PRIME = 2**61 - 1


def directions(branch, member):
    """The unknowns less the rank of their order conditions, linearised at a member of a branch.

    A family of solutions without corners has that many free parameters, whatever way it was found.
    member   values of the branch's free and generic parameters
    """
    numbers, asked = equations(*conditions_of(branch.family, branch.order, branch.kind))
    own = branch.numbers
    at = {name: member.get(name, Fraction(0)) for name in own.names}
    at |= {name: own.at(value, at) for name, value in branch.solution.values.items()}
    point = [_residue(at[name]) for name in numbers.variables]
    places = [numbers.variables.index(name) for name in branch.family.unknowns]
    rows = []
    for condition in asked:
        row = [0] * len(places)
        for powers, c in condition.value.top.to_dict().items():
            for i, place in enumerate(places):
                if powers[place]:
                    lowered = [*powers[:place], powers[place] - 1, *powers[place + 1 :]]
                    term = int(c) * powers[place]
                    for x, e in zip(point, lowered, strict=True):
                        term = term * pow(x, e, PRIME) % PRIME
                    row[i] = (row[i] + term) % PRIME
        rows.append(row)
    return len(places) - _rank(rows)


def _residue(value):
    return value.numerator * pow(value.denominator, -1, PRIME) % PRIME


def _rank(rows):
    """The rank of a matrix over the integers modulo `PRIME`."""
    rank = 0
    rows = [row for row in rows if any(row)]
    while rows:
        pivot = rows.pop()
        lead = next((i for i, x in enumerate(pivot) if x), None)
        if lead is None:
            continue
        rank += 1
        inverse = pow(pivot[lead], -1, PRIME)
        scaled = [x * inverse % PRIME for x in pivot]
        rows = [[(a - row[lead] * b) % PRIME for a, b in zip(row, scaled, strict=True)] for row in rows]
        rows = [row for row in rows if any(row)]
    return rank
