"""Measures of predicted bodies and distributions, and the tables that report them."""
