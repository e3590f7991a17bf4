"""Reads the JSON formats of 2D detectors, one module per format.

Each module tells whether a file is in its format, and returns its people as
`RawPerson`s. Numbers are not checked here; `files.detections` checks them for all
formats alike.
"""
