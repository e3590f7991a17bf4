"""Benchmarks: measure the project's code beside naive code and other packages."""
