"""Measurements: each module prints a table and ends in one line of JSON. See README.md."""
