"""A cluster of Ray on one machine, every node in namespaces of its own, and what may happen to it."""
