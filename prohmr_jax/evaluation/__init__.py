"""Evaluation measures predicted bodies and distributions and reports the numbers."""
