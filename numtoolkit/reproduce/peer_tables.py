"""What runs of other libraries beside ours say: the best of each side in hindsight, how often ours is ahead, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numtoolkit.reproduce.contest import FLOOR
from numtoolkit.reproduce.peer_cells import LAW, OURS
from numtoolkit.reproduce.verdicts import ratio_text

USUAL, ALONE, TO_ZERO = "usual", "alone", "to zero"
PEERS = {USUAL: "best peer as its users run it", ALONE: "best integrator of a peer on our grid"}
OURS_TO_ZERO, AT_END, EXACT = "ours, to t = 0", "ours, to the end of its grid", "two exact sets"
QUANTITIES = {"error": "RMS error along paths", "median": "median error along paths", "law": "error in law"}
WORDS = ("ahead", "not told apart", "behind", "of")
RATIOS = {"error": ("rms", "low", "high"), "median": ("median", "median_low", "median_high"), "law": LAW}
ENDS = {"error": ("low", "high"), "law": LAW[1:]}  # of an interval
Record = Mapping[str, Any]


def quantities_of(draws: bool) -> list[str]:
    """Those that runs are judged by, of which draws of noise leave the law."""
    return [quantity for quantity in QUANTITIES if quantity == "law" or not draws]


def best_of(records: Sequence[Record], subject: str, draws: bool = False) -> Iterator[dict[str, Any]]:
    """For each budget and quantity of a subject ours and the best of each side, with the ratio of ours to it.

    records   of all runs
    subject   by its name
    draws     whether runs draw noise
    returns   {subject, nfe, quantity}, with {sampler, error} of ours and of the best peers of USUAL and ALONE, which
              have `over`, ours over it with an interval, and of ALONE `ours`, the error of ours that is held to the end
              of its grid as it is; of TO_ZERO `over` is that over the best of USUAL; in law `floor`. In law and without
              noise nothing is known of ours at the end of its grid, and there is no ratio
    """
    own = [r for r in records if r["subject"] == subject]
    for nfe in dict.fromkeys(r["nfe"] for r in own):
        for quantity in quantities_of(draws):
            line: dict[str, Any] = {"subject": subject, "nfe": nfe, "quantity": quantity}
            among = [r for r in own if r["nfe"] == nfe and r.get(quantity) is not None]
            best = {
                side: min((r for r in among if r["side"] == side), key=lambda r: _told(r, quantity), default=None)
                for side in (OURS, USUAL, ALONE, TO_ZERO)
            }
            ours, usual = best[OURS], best[USUAL]
            for side, found in best.items():
                if found is None:
                    continue
                line[side or "ours"] = told = {"sampler": found["sampler"], "error": _told(found, quantity)}
                if side in PEERS:
                    told["over"] = _over(ours, found, quantity, apart=side == USUAL)
                if side == ALONE and told["over"][0] is not None:
                    told["ours"] = told["over"][0] * told["error"]
                if side == TO_ZERO:
                    told["over"] = _apart(found, usual, quantity) if usual else [None, None, None]
            if quantity == "law" and among:
                line["floor"] = among[0]["floor"]
            yield line


def _told(record: Record, quantity: str, end: str = "") -> float:
    """An error, or an end of its interval, no less than it can be told: in law than the distance of two exact sets."""
    found = record.get(end or quantity)
    return max(float(record[quantity] if found is None else found), record["floor"] if quantity == "law" else FLOOR)


def _over(ours: Record | None, best: Record, quantity: str, apart: bool) -> list[float | None]:
    """The error of ours over that of a peer, with an interval.

    Paired where the result holds that; else in law from the ends of both, where they are held to one law and may stand
    `apart`. Neither counts as less than its floor, by which a paired interval moves.
    """
    names, over = RATIOS[quantity], best.get("over") or {}
    if ours is None or (names[0] not in over and not (apart and quantity == "law")):
        return [None, None, None]
    if names[0] not in over:
        return _apart(ours, best, quantity)
    paired = [over[name] for name in names]
    if quantity != "law" or paired[0] is None:
        return paired
    raw = paired[0] * best["law"]
    moved = max(raw, best["floor"]) / _told(best, "law") / paired[0]
    return [None if end is None else end * moved for end in paired]


def _apart(ours: Record, best: Record, quantity: str) -> list[float | None]:
    """One error over another, with what the ends of both intervals allow; none of a median, which has none."""
    value = _told(ours, quantity) / _told(best, quantity)
    if quantity not in ENDS:
        return [value, None, None]
    ends = ENDS[quantity]
    low, high = (_told(ours, quantity, one) / _told(best, quantity, other) for one, other in (ends, ends[::-1]))
    return [value, low, high]


# --- the figure


def _sides(draws: bool) -> dict[str, tuple[str, ...]]:
    """The lines of a figure, and where in a line of `best_of` each is found.

    In law the end of a grid is next to the data, so that ours is not drawn twice.
    """
    own: dict[str, tuple[str, ...]] = {EXACT: ("floor",)} if draws else {AT_END: (ALONE, "ours")}
    peers = {name: (side, "error") for side, name in PEERS.items()}
    return {"ours": ("ours", "error")} | peers | own | {OURS_TO_ZERO: (TO_ZERO, "error")}


def _at(line: Record, path: Sequence[str]) -> float | None:
    found: Any = line
    for key in path:
        found = (found or {}).get(key)
    return found


def sides_of(best: Sequence[Record], draws: bool) -> list[str]:
    """The lines of a figure that have something to show.

    best, draws   as of `drawn`
    """
    return [name for name, path in _sides(draws).items() if any(_at(line, path) is not None for line in best)]


def drawn(best: Sequence[Record], draws: bool) -> Iterator[dict[str, Any]]:
    """The errors along paths, RMS and median, or in law beside its floor, as a figure of a contest takes them.

    best    of `best_of`
    draws   whether runs draw noise
    """
    leading = quantities_of(draws)[0]
    medians = {(b["subject"], b["nfe"]): b for b in best if b["quantity"] == "median"}
    for line in best:
        if line["quantity"] == leading:
            median = medians.get((line["subject"], line["nfe"]), {})
            for name in sides_of(best, draws):
                path = _sides(draws)[name]
                both = (None, _at(line, path)) if name == EXACT else (_at(line, path), _at(median, path))
                yield {"case": line["subject"], "side": name, "nfe": line["nfe"]} | dict(
                    zip(("error", "median"), both, strict=True)
                )


# --- tables


def tables(records: Sequence[Record], best: Sequence[Record], draws: bool = False) -> str:
    """How often ours is ahead; for each subject and quantity ours and the best peers; and the errors of all.

    records   of all runs
    best      of `best_of`
    draws     whether runs draw noise
    returns   Markdown
    """
    from tabulate import tabulate

    def table(rows: list[list[Any]], heads: list[str]) -> str:
        return str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))

    parts = ["### How often ours is ahead", table(list(_counts(best)), ["quantity", "whose", "against", *WORDS])]
    for subject, quantity in dict.fromkeys((b["subject"], b["quantity"]) for b in best):
        own = [b for b in best if (b["subject"], b["quantity"]) == (subject, quantity)]
        columns = [column for column in _columns(quantity) if any(_at(b, column[1]) is not None for b in own)]
        rows = [[b["nfe"], *(text(_at(b, path)) for _, path, text in columns)] for b in own]
        parts += [f"### {subject}: {QUANTITIES[quantity]}", table(rows, ["NFE", *(head for head, _, _ in columns)])]
    leading = quantities_of(draws)[0]
    for subject, side in dict.fromkeys((r["subject"], r["side"]) for r in records if r["side"] in PEERS):
        own = [r for r in records if (r["subject"], r["side"]) == (subject, side)]
        nfe = list(dict.fromkeys(r["nfe"] for r in own))
        found = {(r["sampler"], r["nfe"]): r.get(leading) for r in own}
        how = "as their users run them" if side == USUAL else "on our grid"
        rows = [
            [f"`{name}`", *(_error(found.get((name, n))) for n in nfe)] for name in dict.fromkeys(s for s, _ in found)
        ]
        what = QUANTITIES[leading].replace("error", "errors").removesuffix(" along paths")
        parts += [f"### {subject}: {what} of all {how}", table(rows, ["", *(f"NFE {n}" for n in nfe)])]
    return "\n\n".join(parts)


def _columns(quantity: str) -> list[tuple[str, tuple[str, ...], Any]]:
    """Head, place in a line of `best_of`, and how it is written, of the columns beside the budget."""
    law = [(EXACT, ("floor",), _error)] if quantity == "law" else []
    return [
        *law,
        ("ours", ("ours", "error"), _error),
        (PEERS[USUAL], (USUAL, "sampler"), _name),
        ("", (USUAL, "error"), _error),
        ("ours over it", (USUAL, "over"), _ratio),
        (OURS_TO_ZERO, (TO_ZERO, "error"), _error),
        ("that over the peer", (TO_ZERO, "over"), _ratio),
        (AT_END, (ALONE, "ours"), _error),
        (PEERS[ALONE], (ALONE, "sampler"), _name),
        ("", (ALONE, "error"), _error),
        ("ours over it", (ALONE, "over"), _ratio),
    ]


def _counts(best: Sequence[Record]) -> Iterator[list[Any]]:
    """(quantity, whose, against, ahead, not told apart, behind, of), over subjects and budgets; by intervals if any."""
    for quantity in QUANTITIES:
        for side, whose, against in ((USUAL, "ours", USUAL), (ALONE, "ours", ALONE), (TO_ZERO, OURS_TO_ZERO, USUAL)):
            ratios = [b[side]["over"] for b in best if b["quantity"] == quantity and side in b]
            known = [(value, low or value, high or value) for value, low, high in ratios if value is not None]
            ahead, behind = sum(high < 1 for _, _, high in known), sum(low > 1 for _, low, _ in known)
            if known:
                apart = len(known) - ahead - behind
                yield [QUANTITIES[quantity], whose, PEERS[against], ahead, apart, behind, len(known)]


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _name(value: str | None) -> str:
    return "-" if value is None else f"`{value}`"


def _ratio(value: Sequence[float | None] | None) -> str:
    return "-" if value is None else ratio_text(value)
