"""Holds what trains models: objectives, the step, the loop and each model's part."""
