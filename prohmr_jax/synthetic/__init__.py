"""Renders dressed people in rooms, seen by cameras whose labels are exact."""
