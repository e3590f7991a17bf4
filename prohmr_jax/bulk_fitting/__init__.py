"""Bulk labelling: any number of people through one compiled fit, killed or not.

`people` reads whom to fit, file after file; `fitter` predicts and fits them in a fixed
number of slots; `journal` keeps what is finished, so that a killed run goes on where it
was, and makes one file of it at the end; `tables` says what is in that file; `pictures`
shows people before and after.
"""
