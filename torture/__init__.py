"""`make torture`: ingests over a real stack, with every fault that a seed draws, and a count of what came of it."""
