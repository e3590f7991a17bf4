"""The one optimiser that every fit uses, and the slots that keep it busy."""
