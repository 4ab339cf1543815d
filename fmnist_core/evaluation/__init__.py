"""Counting, honestly: scores, intervals, calibration, comparison, spread."""
