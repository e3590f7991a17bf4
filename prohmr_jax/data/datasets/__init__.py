"""Builders of datasets: from files as their authors give them to one schema on disk."""
