"""Weights on disk: this project's own files, and conversion of official checkpoints."""
