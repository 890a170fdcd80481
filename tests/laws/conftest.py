"""The law of a test: each kind in turn."""

from __future__ import annotations

import pytest

from tests.support.laws import every_law


@pytest.fixture(params=every_law(), ids=lambda law: law.name)
def law(request):
    return request.param
