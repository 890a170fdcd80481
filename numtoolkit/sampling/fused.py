"""The fused update of the loop: fewer passes over memory than the plain one, for torch tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def fused(terms: Sequence[tuple[float, Any]]) -> Any:
    """c_1 a_1 + c_2 a_2 + ... of torch tensors, accumulated in place by multiply-adds.

    n terms take n passes over memory instead of up to 2n - 1. Both updates round at most n times along the path of a
    term, so each is within n u sum |c_i a_i| of the exact combination and they differ by at most n eps sum |c_i a_i|
    (u = eps / 2 the unit roundoff of the dtype). Half precisions may round a number differently for another batch size.
    """
    (c, total), *rest = terms
    if not rest:
        return total if c == 1.0 else total * c
    if c == 1.0:  # `total` belongs to someone else until the first sum makes a new tensor
        (c, array), *rest = rest
        total = total.add(array, alpha=c)
    else:
        total = total * c
    for c, array in rest:
        total.add_(array, alpha=c)
    return total
