"""Fuzzing of whatever reads bytes of strangers: `make fuzz MINUTES=5`."""
