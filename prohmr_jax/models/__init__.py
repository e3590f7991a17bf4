"""Flax modules: encoders, the conditional flow over poses, and the heads on a context.

Training, inference and fitting import them; `spec` builds a model from its sizes.
"""
