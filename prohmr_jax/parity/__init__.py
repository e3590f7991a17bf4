"""Compares this project with the numbers of the official implementation.

A *golden* directory holds inputs, weights and results of the official PyTorch code.
`check.check_directory` runs this project on the inputs and compares every array:

  report     collects what was compared, how closely it agrees, and the verdict
  golden     reads the directory and its files, which remember what was used of them
  recipe     re-creates the full-size weights from a seed
  check      assigns files to checks, and to parts of the project that come later
  others     compare a family of files each, by `check_<family>(case, report)`
"""
