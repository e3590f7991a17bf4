"""Writes movements of bodies in the formats of animators and biomechanists."""
