"""Modes are what `main` can run, one module each; only here are configs read."""
