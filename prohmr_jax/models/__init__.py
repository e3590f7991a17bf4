"""Holds the Flax modules: encoders, the flow over poses, and heads on a context.

Training, inference and fitting import them; `spec` builds a model from its sizes.
"""
