"""The experiments that ship: one module each, whose `get_config` returns its config.

They are the package `prohmr_jax.configs` as well, through a link to this folder.
"""
