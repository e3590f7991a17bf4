"""Draws poses that no capture holds, composed by rules of stances and gestures."""
