"""Each experiment that ships is a module, whose `get_config` returns its config.

The folder is the package `prohmr_jax.configs` as well, through a link.
"""
