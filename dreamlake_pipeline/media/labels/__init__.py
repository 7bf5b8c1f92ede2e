"""Label tracks: JSON Lines or CSV in; Parquet, statistics and a plot out."""
