"""The command line, a file a command; each file holds its arguments, what runs it, and its `Command`."""

from numtoolkit.cli.command_line import COMMANDS, main

__all__ = ["COMMANDS", "main"]
