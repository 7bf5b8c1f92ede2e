"""Values over time: buckets, gaps and runs, and the form of `series.parquet`. The pipeline writes, BSS answers."""
