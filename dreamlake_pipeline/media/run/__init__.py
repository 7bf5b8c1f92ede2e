"""The one place that runs ffmpeg, and the worker processes for what is done inside Python."""
