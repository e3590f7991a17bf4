"""Converts datasets from the files of their authors to one schema on disk."""
