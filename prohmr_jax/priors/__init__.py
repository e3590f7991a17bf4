"""Densities of body poses that see no image: a Gaussian mixture and a flow."""
