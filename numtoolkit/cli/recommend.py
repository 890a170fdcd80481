"""`recommend`: the scheme and grid for a network or for data, of all of them judged on a law like the data.

Of nothing at all it says what was judged before.
"""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from numtoolkit.cli.networks import (
    FOREIGN,
    MODEL,
    add_foreign,
    add_numbers,
    check_claims,
    model_from,
    numbers_of,
    weights_of,
)
from numtoolkit.cli.output import (
    Command,
    Record,
    add_json,
    destination,
    grid,
    keep,
    listed,
    note,
    numbers,
    report,
    without_empty,
    wrapped,
)
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES
from numtoolkit.limits import MOST_NFE

if TYPE_CHECKING:
    from numtoolkit.measure.recommendation import Recommendation

SHOWN = 8  # pairs that are printed of each budget; --json and files have them all
DRAWN = 6  # pairs of a picture
KEEP = "--keep is of the outputs of a pilot run; give --model, or drop it."
TOLD_SHORT = 8  # characters of a digest in the name of a file
WORDS = {"relative-rms": "along paths", "wasserstein2": "in law", "sliced-wasserstein": "in law, by samples"}
SUBJECTS = "model", "data", "outputs", "law"
OF_SUBJECT = (  # options of what is measured, for which there has to be something
    "schemes", "grids", "metric", "seeds", "save", "keep", "regret", "shape", "dtype", "device", "conditions", *FOREIGN,
)  # fmt: skip
BEFORE = """\
Nothing was measured: these are a rule and a published default, as a blind judging left them, `numtoolkit reproduce \
judging`. `a pilot run` is 24 evaluations of 64 outputs, whose spectrum scheme and grid are told; `over the default` \
is its error over that of the default, the geometric mean of the judged networks with the least and the most, and \
`ahead` in how many it was less. --model, --data or --outputs judge on a law like yours."""
FOOT = """\
`over the best` is the error of the median sample, or of all with --by error and in law, over that of the best, with a \
95 % interval over starts. The order is that on the law named above; of a network it is a forecast."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--model", metavar="M", help=f"{MODEL}; one pilot run of it is made, and no further call")
    given.add_argument("--data", metavar="D", help="data to train on: digits, 'patches(size=8)', FILE.npz, a folder")
    given.add_argument("--outputs", metavar="O", help="samples of a network: FILE.npz, or a folder that sample filled")
    given.add_argument("--law", metavar="L", help="a law to judge on as it is: 'mixture(dim=8)', 'proxy(of=FILE.npz)'")
    parser.add_argument("--process", metavar="P", help="by default that of the network, else edm")
    parser.add_argument("--nfe", required=True, metavar="5,10,20", help="budgets of network evaluations")
    parser.add_argument("--dynamics", choices=("ode", "sde"), default="ode", help="sde for schemes with noise")
    parser.add_argument("--schemes", metavar="A,B", help="in place of all; {s}, {m}, {spectrum} are those of the data")
    parser.add_argument("--grids", metavar="G,H", help="likewise, 'rho(7),spectral({spectrum}, q=2)'")
    parser.add_argument("--metric", choices=("path", "law"), help="of errors; by default the one that comes first")
    parser.add_argument(
        "--by", choices=("median", "error"), default="median", help="of the path, what ranks: the median"
    )
    parser.add_argument("--seeds", metavar="0-63", help="of the starts; by default as many as the metric needs")
    parser.add_argument("--save", metavar="FILE.npz", help="the spectrum, kept unasked only where a command needs it")
    parser.add_argument("--keep", metavar="FILE.npz", help="the outputs of the pilot run, for 'proxy(of=FILE.npz)'")
    parser.add_argument("--regret", action="store_true", help="also run all of them on the network: dear")
    parser.add_argument("--out", metavar="FILE", help="also write all: .json, .csv, or a picture .png, .svg, .pdf")
    add_numbers(parser.add_argument_group("with --model"), "float32, and float64 with --regret")
    add_foreign(parser)
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure.candidates import SPECTRUM
    from numtoolkit.measure.recommendation import recommend

    if all(getattr(arguments, key) is None for key in SUBJECTS):
        return _judged_before(arguments)
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    save = destination(arguments.save, (".npz",), option="--save") if arguments.save is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure([""])
    told: dict[str, Any] = {"dynamics": arguments.dynamics, "metric": arguments.metric}
    for option in ("schemes", "grids"):
        text = getattr(arguments, option)
        told[option] = None if text is None else listed(text, f"--{option}")
    told["seeds"] = None if arguments.seeds is None else numbers(arguments.seeds, "--seeds")
    budgets, own = numbers(arguments.nfe, "--nfe", 1, MOST_NFE), numbers_of(arguments)
    of, network = _source(arguments, own)
    kept = None if arguments.keep is None else destination(arguments.keep, (".npz",), option="--keep")
    found = recommend(of, arguments.process, budgets, by=arguments.by, **told, **own)
    if kept is not None and found.pilot is not None:
        note(f"wrote {found.pilot.save(kept)}")
    best = {nfe: found.best(nfe) for nfe in found.budgets}
    if save is None and any(SPECTRUM in record["scheme"] + record["grid"] for record in best.values()):
        name = f"spectrum-{found.spectrum.digest.partition('-')[2][:TOLD_SHORT]}.npz"
        save = destination(name, (".npz",), option="--save")
    if save is not None:
        note(f"wrote {found.spectrum.save(save)}")
    file = SPECTRUM if save is None else str(save)
    records = found.table(file)
    commands = {nfe: _command(arguments, found, found.best(nfe, file)) for nfe in found.budgets}
    regret = None
    if arguments.regret:
        starts = {} if told["seeds"] is None else {"seeds": told["seeds"]}
        regret = found.regret(network, **starts, **own)
    if path is not None:
        title = f"Which scheme on which grid? {found.law.name}, {found.process.spec}"
        keep(path, records, title, arguments.command, lambda: _drawn(records, title), weights_of(network))
    about: Record = {"law": found.law.name, "process": found.process.spec, "metric": found.metric}
    about |= {"by": found.by, "nfe_pilot": found.nfe_pilot, "spectrum": found.spectrum.digest, **weights_of(network)}
    about |= {"commands": commands} | ({} if regret is None else {"regret": regret})
    report(arguments, about | {"records": records}, lambda: _listing(found, records, commands, regret))
    reasons = dict.fromkeys(f"at {nfe}: {why}" for _, nfe, why in found.refused())
    for reason in reasons:
        note(f"not judged {reason}")
    return 0


def _judged_before(arguments: argparse.Namespace) -> int:
    """Print what was judged before."""
    from numtoolkit.measure.judged import judged

    for option in OF_SUBJECT:
        if getattr(arguments, option, None) not in (None, False):
            raise InputError(f"--{option} is of what is judged; give --model, --data, --outputs or --law, or drop it.")
    path = None if arguments.out is None else destination(arguments.out, (".json", ".csv"))
    records = judged(arguments.process or "edm", numbers(arguments.nfe, "--nfe", 1, MOST_NFE), arguments.dynamics)
    if path is not None:
        keep(path, records, "Which scheme, of nothing known?", arguments.command, lambda: None, {})
    report(arguments, {"records": records}, lambda: _before(records))
    return 0


def _before(records: list[Record]) -> str:
    rows = [
        {key: r[key] for key in ("nfe", "known", "scheme", "grid")}
        | {"over the default": _over(r), "ahead": "" if r["of"] is None else f"{r['ahead']} of {r['of']}"}
        for r in records
    ]
    return "\n".join([grid(rows), "", *wrapped(BEFORE)])


def _over(record: Record) -> str:
    if record["mean"] is None:
        return ""
    return f"{record['mean']:.2g}" + (f" ({record['least']:.2g} to {record['most']:.2g})" if record["of"] > 1 else "")


def _source(arguments: argparse.Namespace, own: dict[str, Any]) -> tuple[Any, Any]:
    """What is recommended for, as `recommend` takes it, and the network, None where none is given."""
    if arguments.model is not None:
        network = model_from(arguments)
        check_claims(arguments, network, own.get("shape"), own.get("conditions"))
        return network, network
    for option in (*FOREIGN, "keep", "regret"):
        if getattr(arguments, option) not in (None, False):
            raise InputError(KEEP if option == "keep" else f"--{option} is of a network; give --model, or drop it.")
    if arguments.law is not None:
        from numtoolkit.laws import law_of

        return law_of(arguments.law), None
    if arguments.data is not None:
        from numtoolkit.training.data import data_of

        return data_of(arguments.data).train, None
    from numtoolkit.measure.recommendation import COUNT
    from numtoolkit.measure.sample_sets import first_of

    return first_of(arguments.outputs, COUNT), None


def _command(arguments: argparse.Namespace, found: Recommendation, best: Record) -> str:
    """The command line that draws 64 samples by a recommended pair."""
    if arguments.law is not None:
        words = ["--law", arguments.law]
    else:
        words = ["--model", "MODEL" if arguments.model is None else arguments.model]
    if arguments.imports:
        words.append("--import")
    for option in (*FOREIGN, "shape", "device"):
        if getattr(arguments, option) is not None:
            words += [f"--{option}", getattr(arguments, option)]
    words += ["--process", found.process.spec, "--scheme", best["scheme"], "--grid", best["grid"]]
    return shlex.join(
        ["numtoolkit", "sample", *words, "--nfe", str(best["nfe"]), "--seeds", "0-63", "--out", "samples"]
    )


def _drawn(records: list[Record], title: str) -> Any:
    """The errors of the pairs that lead at some budget, by the place that is their best."""
    from numtoolkit.plots import curve_figure

    best: dict[tuple[str, str], int] = {}
    for r in records:
        pair = r["scheme"], r["grid"]
        best[pair] = min(r["rank"], best.get(pair, r["rank"]))
    drawn = sorted(best, key=lambda pair: best[pair])[:DRAWN]
    return curve_figure(
        [{**r, "scheme": f"{r['scheme']}, {r['grid']}"} for r in records if (r["scheme"], r["grid"]) in drawn], title
    )


def _listing(
    found: Recommendation, records: list[Record], commands: dict[int, str], regret: list[Record] | None
) -> str:
    """What was judged, the leading pairs of each budget, those that are not told from the best, and what to run."""
    spent = f" {found.nfe_pilot} evaluations of each output were spent." if found.nfe_pilot else ""
    parts = wrapped(f"Judged {WORDS[found.metric]} on {found.law.name}, {found.process.spec}.{spent}")
    hidden = "error" if found.by == "median" else "median"  # where there is not room for both
    for nfe in found.budgets:
        own = [r for r in records if r["nfe"] == nfe]
        parts += ["", grid(without_empty([_row(r) for r in own[:SHOWN]]), optional=("tied", hidden)), ""]
        tied = sum(r["tied"] for r in own)
        told = "is told from every other" if tied == 1 else f"cannot be told from {tied - 1} others"
        parts += wrapped(f"At {nfe} evaluations the first of {len(own)} pairs {told}. To run it:")
        parts.append(commands[nfe])
    if regret is not None:
        parts += ["", "On the network, where all pairs were run:", grid([_regret_row(r) for r in regret])]
    return "\n".join([*parts, "", *wrapped(FOOT)])


def _row(record: Record) -> Record:
    """A record as the table shows it."""
    keys = ("rank", "scheme", "grid", "error", "median", "floor")
    over = f"{record['ratio']:.3g}"
    if record["ratio_low"] is not None and record["rank"] > 1:
        over += f" ({record['ratio_low']:.3g} to {record['ratio_high']:.3g})"
    return {key: record.get(key) for key in keys} | {"over the best": over, "tied": "yes" if record["tied"] else ""}


def _regret_row(record: Record) -> Record:
    keys = ("nfe", "regret", "low", "high", "rms_regret", "rank", "pairs", "spearman", "best_scheme", "best_grid")
    return {key: record[key] for key in keys}


RECOMMEND = Command("recommend", "Which scheme on which grid, for a network or for data.", _arguments, _run)
