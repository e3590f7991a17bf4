"""Comparison with the numbers of the official implementation.

A *golden* directory holds inputs, weights and results of the official PyTorch code.
`check.check_directory` runs this project on the inputs and compares every array:

  report     what was compared, how well, and the verdict
  golden     the directory and its files, which remember what was used of them
  recipe     the full-size weights, re-created from a seed
  check      which files belong to which check, and which to a later part
  others     one `check_<family>(case, report)` per family of files
"""
