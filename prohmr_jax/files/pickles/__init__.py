"""Pickles and PyTorch files read without executing them."""
