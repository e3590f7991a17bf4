"""Measures the detector that ships on photos whose people were labelled by hand.

python -m prohmr_jax.main --config configs/evaluate_detector.py \
    --config.labels=person_keypoints_val2017.json --config.images=val2017
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of an evaluation of the detector."""
    config = ConfigDict()
    config.mode = "evaluate_detector"
    # Labels in COCO's format of annotations, and the folder of the photos.
    config.labels = "person_keypoints_val2017.json"
    config.images = "val2017"
    # "all" refuses a folder that lacks a labelled photo, or has one that is damaged;
    # "present" measures the others, and says how many they are.
    config.photos = "all"
    # As for `configs/demo.py`: people of a lower score do not count.
    config.min_score = 0.35
    # Height of the smallest person that is searched for everywhere, over the square
    # root of the photo's area; see `detection.detector.detect_people`.
    config.smallest_person = 0.09
    # Seed of the resamples of the confidence intervals.
    config.seed = 0
    # Folder of `report.md`, and of `results.json`: all detections as COCO's results,
    # for the evaluation programs of COCO.
    config.output = "outputs/detector"
    return config
