"""The pages of the open questions: what is kept makes them, and what is kept is derived and measured again."""

from __future__ import annotations

from typing import Any

import pytest

from analysis import open_questions
from numtoolkit.files.storage import plain

pytest.importorskip("matplotlib")
NEAR = 1e-4  # relative: the digits of a page


@pytest.mark.parametrize("name", [*open_questions.names(), open_questions.INDEX])
def test_a_page_of_a_question_is_made_of_what_is_kept(name: str) -> None:
    """It is what its script writes, to the byte, and no question lacks one."""
    path = open_questions.PAGES / f"{name}.md"
    assert path.read_text(encoding="utf-8") == open_questions.pages()[name]


@pytest.mark.parametrize("name", open_questions.names())
def test_every_question_has_a_statement_and_numbers(name: str) -> None:
    """Sentences that end, tables with rows, and the words of its answer."""
    record = open_questions.kept(name)
    assert record["statement"]
    assert all(sentence.endswith(".") for sentence in record["statement"])
    assert all(record["tables"].values())
    assert open_questions.asked(name).endswith("?")


@pytest.mark.check
@pytest.mark.parametrize("name", open_questions.names())
def test_a_question_is_answered_again_as_it_is_kept(name: str) -> None:
    """Its statement is derived anew, and a quick form of its numbers holds rows that are kept."""
    module, record = open_questions.question(name), open_questions.kept(name)
    assert module.statement() == record["statement"]
    again = plain(module.numbers(quick=True))
    assert again.keys() <= record["tables"].keys()
    for caption, rows in again.items():
        missing = [row for row in rows if not any(same(row, own) for own in record["tables"][caption])]
        assert missing == [], f"{caption}: {missing}"
    module.picture(record["tables"])


def same(row: dict[str, Any], kept: dict[str, Any]) -> bool:
    """Whether two rows agree, numbers to NEAR."""
    return row.keys() == kept.keys() and all(
        kept[key] == (pytest.approx(value, rel=NEAR) if isinstance(value, float) else value)
        for key, value in row.items()
    )
