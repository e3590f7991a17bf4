"""Leading batch axes over which every law of the mathematics must hold."""

BATCHES = ((), (2,), (2, 3))
