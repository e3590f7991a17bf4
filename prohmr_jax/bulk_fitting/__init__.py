"""Bulk fitting: fits any number of people with one compiled fit, and can be resumed.

The modes "fit" and "multiview" use it. `sources` and `multiview_sources` read the
people, `person_stream` puts them into batches, `initialization` predicts where their
fits start, `keypoint_job` and `multiview_job` fit them, `shards` keeps what is finished
on disk so that an interrupted run can continue, and `tables` writes the final table.
"""
