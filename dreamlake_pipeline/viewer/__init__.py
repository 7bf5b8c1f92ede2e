"""The viewer: pages that show what was ingested."""
