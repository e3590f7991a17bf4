"""From a photograph to the people in it: keypoints, boxes and scores."""
