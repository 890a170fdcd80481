"""What commands measure: a law, whose network is exact, or a network of one's own."""

from __future__ import annotations

import argparse
from typing import Any

from numtoolkit.cli.output import listed, note, number
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.limits import MOST
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of

DTYPES = ("float64", "float32")
NAMES = ("shape", "dtype", "device", "tile", "tolerance", "conditions")
MODEL = (
    "a network: network:NAME that comes along, FILE.safetensors of train, a folder of diffusers, or with --import "
    "FILE.py:NAME, MODULE:NAME"
)
FOREIGN = ("convention", "checkpoint", "part", "sha256")


def add_network(parser: argparse.ArgumentParser, tolerance: bool = True) -> None:
    """The options that `network_from` and `numbers_of` read.

    tolerance   whether --tolerance is among them
    """
    add_model(parser)
    own = parser.add_argument_group("with --model")
    add_numbers(own, "float64; the network keeps its own")
    own.add_argument("--tile", metavar="N", help="samples at a time, by default 64")
    if tolerance:
        own.add_argument("--tolerance", type=float, metavar="X", help="relative, of its flow; by default as its dtype")


def add_numbers(group: Any, usual: str) -> None:
    """The options of a group --shape, --dtype, --device and --conditions, which every network has.

    group   of options of a parser
    usual   the dtype where none is said, in words
    """
    group.add_argument("--shape", metavar="3,32,32", help="of a sample, where the network does not say it")
    group.add_argument("--dtype", choices=DTYPES, help=f"of the state, by default {usual}")
    group.add_argument("--device", metavar="D", help="by default that of the network's parameters, else cpu")
    group.add_argument("--conditions", metavar="3,1,4", help="what it is told of each sample, whole numbers")


def add_model(parser: argparse.ArgumentParser) -> None:
    """The options that say what is measured or sampled: --law or --model, and whose network that is."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--law", metavar="L", help="a name, 'mixture(dim=8)' or 'digits', or an .npz file")
    given.add_argument("--model", metavar="M", help=MODEL)
    add_foreign(parser)


def add_foreign(parser: argparse.ArgumentParser) -> None:
    """The options that say how the module of --model is called, and whose weights it has, beside --model itself."""
    own = parser.add_argument_group("with --model FILE.py:NAME, a torch module of other people's code")
    own.add_argument("--convention", metavar="C", help="edm, edm-raw, psld, cld, noise ...: how it is called")
    own.add_argument("--checkpoint", metavar="FILE", help="its weights: .safetensors, or a state dict of torch.save")
    own.add_argument("--part", metavar="P", help="of the checkpoint, where several fit; by default the running average")
    own.add_argument("--sha256", metavar="HEX", help="that the file of the weights must have")


def network_from(arguments: argparse.Namespace) -> Any:
    """The law of --law, or the network of --model, asked whether it predicts what is said of it."""
    if arguments.law is not None:
        from numtoolkit.laws import law_of

        check_law_alone(arguments)
        return law_of(arguments.law)
    network = model_from(arguments)
    numbers = numbers_of(arguments)
    check_claims(arguments, network, numbers.get("shape"), numbers.get("conditions"))
    return network


def check_law_alone(arguments: argparse.Namespace) -> None:
    """raises InputError where something is said beside --law that is of a network"""
    given = next((name for name in FOREIGN if getattr(arguments, name) is not None), None)
    if given is not None:
        raise InputError(f"--{given} is of a network, but --law was given; drop it.")


def model_from(arguments: argparse.Namespace) -> Any:
    """The network of --model, with what is said of it; of its weights a line on stderr."""
    from numtoolkit.models.by_reference import foreign_network_of

    said = {name: getattr(arguments, name) for name in FOREIGN}
    network = foreign_network_of(arguments.model, process=arguments.process, device=arguments.device, **said)
    weights = getattr(network, "weights", None)
    if weights is not None and "part" in weights:
        note(f"{network.name} has the weights of {weights['file']}, {weights['part']}, sha256 {weights['sha256']}")
    return network


def check_claims(arguments: argparse.Namespace, network: Any, shape: Any, conditions: Any = None) -> None:
    """Ask a network whether it predicts what is said of it here, by --convention or beside a model of diffusers.

    A warning says where that is hardly so, and a line on stderr what the question cost. It is asked of those alone: who
    wraps a network in a file of their own says there what it predicts, and may ask `numtoolkit.suspicion`.
    arguments   of the command
    network, shape, conditions   of --model, and what is known of its samples; without a shape nothing is asked
    """
    from numtoolkit.models.suspicion import warn_if_suspected

    said = arguments.convention is not None or "config" in (getattr(network, "weights", None) or {})
    event = shape if shape is not None else getattr(network, "shape", None)
    if said and event is not None:
        found = warn_if_suspected(network, shape=event, conditions=conditions)
        note(f"{network.name} was asked whether it predicts {found.predicts!r}: {found.cost}")


def weights_of(network: Any) -> dict[str, Any]:
    """What a result says of the file that the weights of a network were read from; nothing where there is none."""
    weights = getattr(network, "weights", None)
    return {} if weights is None else {"weights": weights}


def process_from(arguments: argparse.Namespace, network: Any, scheme: Scheme) -> Process:
    """The process of a command: that of --process, else that of the network, else the first of the scheme.

    arguments, network, scheme   what was said, what is run and by what
    """
    return process_of(arguments.process or getattr(network, "process", None) or scheme.processes[0])


def numbers_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What else was said of the network of --model, as arguments of functions that take it.

    raises   InputError for any of it without --model
    """
    said = {name: getattr(arguments, name, None) for name in NAMES}
    given = {name: value for name, value in said.items() if value is not None}
    if given and arguments.model is None:
        raise InputError(f"--{next(iter(given))} is of a network; give --model, or drop it.")
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
