"""Reads calibrations of cameras: the project's own JSON, and files of other programs.

Each module returns the cameras of a file by name. `any_format` finds the module for a
file, and the file in a folder.
"""
