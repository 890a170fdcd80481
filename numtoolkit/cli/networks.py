"""What commands measure: a law, whose network is exact, or a network of one's own."""

from __future__ import annotations

import argparse
from typing import Any

from numtoolkit.cli.output import listed, number
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.limits import MOST
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of

DTYPES = ("float64", "float32")
NAMES = ("shape", "dtype", "device", "tile", "tolerance", "conditions")
MODEL = (
    "a network: network:NAME that comes along, FILE.safetensors of train, or with --import FILE.py:NAME, MODULE:NAME"
)


def add_network(parser: argparse.ArgumentParser, tolerance: bool = True) -> None:
    """The options that `network_from` and `numbers_of` read.

    tolerance   whether --tolerance is among them
    """
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--law", metavar="L", help="a name, 'mixture(dim=8)' or 'digits', or an .npz file")
    given.add_argument("--model", metavar="M", help=MODEL)
    own = parser.add_argument_group("with --model")
    own.add_argument("--shape", metavar="3,32,32", help="of a sample, where the network does not say it")
    own.add_argument("--dtype", choices=DTYPES, help="of the state, by default float64; the network keeps its own")
    own.add_argument("--device", metavar="D", help="by default that of the network's parameters, else cpu")
    own.add_argument("--tile", metavar="N", help="samples at a time, by default 64")
    own.add_argument("--conditions", metavar="3,1,4", help="what it is told of each sample, whole numbers")
    if tolerance:
        own.add_argument("--tolerance", type=float, metavar="X", help="relative, of its flow; by default as its dtype")


def network_from(arguments: argparse.Namespace) -> Any:
    """The law of --law, or the network of --model."""
    if arguments.law is not None:
        from numtoolkit.laws import law_of

        return law_of(arguments.law)
    from numtoolkit.models.by_reference import network_of

    return network_of(arguments.model)


def process_from(arguments: argparse.Namespace, network: Any, scheme: Scheme) -> Process:
    """The process of a command: that of --process, else that of the network, else the first of the scheme.

    arguments, network, scheme   what was said, what is run and by what
    """
    return process_of(arguments.process or getattr(network, "process", None) or scheme.processes[0])


def numbers_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What else was said of the network of --model, as arguments of functions that take it.

    raises   InputError for any of it beside --law
    """
    said = {name: getattr(arguments, name, None) for name in NAMES}
    given = {name: value for name, value in said.items() if value is not None}
    if given and arguments.law is not None:
        raise InputError(f"--{next(iter(given))} is of a network, but --law was given; drop it.")
    if "shape" in given:
        given["shape"] = tuple(number(part, "--shape", 1, MOST) for part in given["shape"].split(","))
    if "tile" in given:
        given["tile"] = number(given["tile"], "--tile", 1, MOST)
    if "conditions" in given:
        given["conditions"] = _conditions(given["conditions"])
    if "dtype" in given:
        given["dtype"] = _torch_dtype(given["dtype"])
    return given


def _conditions(text: str) -> list[int]:
    try:
        return [int(part) for part in listed(text, "--conditions")]
    except ValueError:
        raise InputError(f"cannot read --conditions {text[:60]!r}; write whole numbers, one a sample, 3,1,4.") from None


def _torch_dtype(name: str) -> Any:
    try:
        import torch
    except ModuleNotFoundError:
        raise InputError(f"--dtype {name} of a network needs torch; pip install 'numtoolkit[torch]'.") from None
    return getattr(torch, name)
