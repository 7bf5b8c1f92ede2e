"""A video file in; H.264 in HLS, stills and smaller pictures out."""
