"""The problem a scheme is run on: process, dynamics, prediction, frozen quantity, clock, grid."""

from numtoolkit.moved import names_of

__getattr__ = names_of(__name__)
