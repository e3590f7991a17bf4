"""Flax modules: encoders, the conditional flow, heads."""
