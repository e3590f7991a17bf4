"""This package is ProHMR, probabilistic human mesh recovery, in JAX and Flax.

Paper: Kolotouros et al., Probabilistic Modeling for Human Mesh Recovery, ICCV 2021.
"""

__version__ = "0.1.0"
