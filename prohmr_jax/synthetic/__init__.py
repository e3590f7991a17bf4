"""Rendered people: dressed bodies in rooms, seen by cameras whose labels are exact."""
