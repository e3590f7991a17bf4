"""ProHMR, probabilistic human mesh recovery, in JAX (Kolotouros et al., ICCV 2021)."""

__version__ = "0.1.0"
