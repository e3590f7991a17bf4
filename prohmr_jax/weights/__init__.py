"""Reads and writes weights: this project's own files, and official checkpoints."""
