"""Fits any number of people with one compiled fit, and continues interrupted runs.

The modes "fit" and "multiview" use this package. `sources` and `multiview_sources` read
people, `person_stream` puts them into batches, `initialization` predicts where their
fits start, `keypoint_job` and `multiview_job` fit them, `shards` keeps what is finished
on disk so that an interrupted run can continue, and `tables` writes the final table.
"""
