"""Modules here measure predicted bodies and distributions, which are then reported."""
