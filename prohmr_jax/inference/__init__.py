"""Predicts bodies with a trained model, and writes results and pictures."""
