"""Declaring schemes: the entry language, steps, claims, and the usual forms of both."""
