"""What each detector writes into its JSON, as `RawPerson`s; a room per format.

A room says whether a file is its own, and lists its people. Numbers are not checked
here: `files.detections` does that for all formats alike.
"""
