"""Curves, marks and rows of a label track, read out of its Parquet files by ranges."""
