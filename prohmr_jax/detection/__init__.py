"""Detection finds the people in a photograph: their keypoints, boxes and scores."""
