"""The pipeline's work without Dagster: from a staged object to published results, one subject a module."""
