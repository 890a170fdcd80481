"""The problem a scheme is run on: process, dynamics, prediction, frozen quantity, clock, grid."""
