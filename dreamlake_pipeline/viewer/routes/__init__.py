"""The routes of the viewer, by what they show or do."""
