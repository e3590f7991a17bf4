"""Measures how fast the project's code is, beside naive code and other packages."""
