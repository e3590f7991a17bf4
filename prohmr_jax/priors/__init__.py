"""Provides priors over body poses that see no image: a Gaussian mixture and a flow.

The SMPLify baseline fits with either of them; synthetic data draws poses from the
mixture.
"""
