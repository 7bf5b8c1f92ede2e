"""File in, files out, a package for each subject.

The `make.py` of video, audio, text and labels is where each kind of file begins to be read. `containers` tells what a
file is and holds, `hls` writes and checks what is played, and `run` runs ffmpeg and worker processes.
"""
