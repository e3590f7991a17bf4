"""Inference: predicts bodies with a trained model, and writes results and pictures."""
