"""Training: objectives, the state and its one step, the loop, and both models."""
