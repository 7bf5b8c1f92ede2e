"""What a process leaves for later, so that it starts sooner: set before the rest is imported."""

# Whether models (`api/`) are built when they are used first. A command uses a few of them, and to build all takes a
# tenth of its start; services and runs use all, and FastAPI wants them as they are.
builds_models_late = False
