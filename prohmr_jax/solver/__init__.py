"""Minimises the objectives of all fits by L-BFGS, for one person or many at once.

`problem` defines objectives, settings and results; `lbfgs` minimises for one person
with the directions of `quasi_newton` and the steps of `line_search`; `minimise` solves
a batch of people; `slots` solves any number of people in batches of constant size.
"""
