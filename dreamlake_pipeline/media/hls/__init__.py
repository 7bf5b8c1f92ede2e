"""HLS: segments, playlists, what MPEG-TS and H.264 hold, and the checks of all that is published."""
