"""`make bench`: how fast the product is, as ratios to what a shell script over s5cmd, ffmpeg and psql takes.

`rows` names what is measured; each other module measures some of it. What they share: `home` (a stack of their own),
`measure` (seconds, CPU, memory), `inputs` (files to work on), `yardsticks` (the other side).
"""
