"""Computes how far predicted bodies and distributions are right, and reports it."""
