"""Sampling: the table of a whole run, the loop that walks it, and the noise it draws."""
