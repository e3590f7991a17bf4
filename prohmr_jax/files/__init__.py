"""Reading and writing files safely; NumPy only, nothing is traced here."""
