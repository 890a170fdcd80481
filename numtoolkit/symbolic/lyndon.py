"""Lyndon words and the basis that they give of a free Lie algebra, [u, v] = u v - v u in non-commuting letters.

A word is smaller than all its rotations if it is a Lyndon word; its bracket is [u, v], v its longest proper suffix that
is one too, and expands to the word itself and larger ones. So the coefficients of a Lie element in this basis follow
from its coefficients at Lyndon words, smaller words first (Lothaire 1983, section 5.3; Reutenauer 1993, theorem 5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

Word = tuple[str, ...]
Bracket = Any  # a letter, or the pair of brackets that it is made of


def lyndon_words(letters: tuple[str, ...], degree: int) -> Iterator[Word]:
    """The Lyndon words of a length over letters in their given order, smaller ones first (Duval 1988).

    Their numbers are Witt's: 2, 1, 2, 3, 6, 9, 18, 30, 56, 99 over two letters.
    """
    found: list[int] = [-1]
    while found:
        found[-1] += 1
        if len(found) == degree:
            yield tuple(letters[i] for i in found)
        period = len(found)
        while len(found) < degree:
            found.append(found[-period])
        while found and found[-1] == len(letters) - 1:
            found.pop()


@cache
def factors(word: Word, letters: tuple[str, ...]) -> tuple[Word, Word]:
    """The standard factorisation of a Lyndon word of two letters or more."""
    rank = {letter: i for i, letter in enumerate(letters)}
    numbers = [rank[letter] for letter in word]
    cut = next(i for i in range(1, len(word)) if all(numbers[i:] < numbers[j:] for j in range(i + 1, len(word))))
    return word[:cut], word[cut:]


@cache
def bracket(word: Word, letters: tuple[str, ...]) -> Bracket:
    """The bracket of a Lyndon word, as nested pairs of letters."""
    if len(word) == 1:
        return word[0]
    left, right = factors(word, letters)
    return bracket(left, letters), bracket(right, letters)


@cache
def expanded(word: Word, letters: tuple[str, ...]) -> Mapping[Word, int]:
    """The bracket of a Lyndon word multiplied out: whole coefficients by word."""
    if len(word) == 1:
        return {word: 1}
    total: dict[Word, int] = {}
    left, right = (expanded(own, letters) for own in factors(word, letters))
    for u, a in left.items():
        for v, b in right.items():
            total[u + v] = total.get(u + v, 0) + a * b
            total[v + u] = total.get(v + u, 0) - a * b
    return {own: c for own, c in total.items() if c}


def in_brackets(element: Callable[[Word], Any], letters: tuple[str, ...], degree: int) -> dict[Word, Any]:
    """The coefficients of a Lie element of one degree in the basis of brackets, by Lyndon word, zeros left out.

    element   its coefficient at a word; letters, degree   of the words that it is made of
    """
    found: dict[Word, Any] = {}
    for word in lyndon_words(letters, degree):
        value = element(word)
        for smaller, c in found.items():
            share = expanded(smaller, letters).get(word, 0)
            value = value - c * share if share else value
        if value:
            found[word] = value
    return found


def show_bracket(own: Bracket) -> str:
    """A bracket for people and for LaTeX: "[A,[A,B]]"."""
    return own if isinstance(own, str) else f"[{show_bracket(own[0])},{show_bracket(own[1])}]"
