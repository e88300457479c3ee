"""Writes what the reference in ``docs/reference`` takes from the code: ``make reference``."""
