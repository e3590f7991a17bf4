"""This package measures predicted bodies and distributions, and reports them."""
