"""What `main` can run, one module per mode; only here are configs read."""
