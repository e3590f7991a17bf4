"""Poses that no capture holds, put together by rules: limbs, stances, gestures."""
