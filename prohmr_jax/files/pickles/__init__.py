"""Reads pickles and PyTorch files as data, without executing anything in them.

The readers of body files, annotations and weights call it. Python's own unpickler, and
the readers of PyTorch and joblib that build on it, import and call what a file names.
"""
