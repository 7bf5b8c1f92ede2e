"""The `dreamlake` command."""

import gc

from .. import startup

# What a command imports and makes is kept until it ends, or is freed by its reference count. Looking for cycles in it
# takes a tenth of a command's start, and of an ingest in which nothing is new.
gc.set_threshold(100_000, 50, 100)

startup.builds_models_late = True
