"""Videos that say which frame they show: its number is drawn into it as stripes, and read back from the page."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

from .yardsticks import ffmpeg

WIDTH, HEIGHT = 320, 180
BITS = 16
_STRIPE = WIDTH // BITS

# The frames of all cameras are held at once, and looked at then, which takes long. A stripe is a bit, white in the
# upper half and black in the lower one, or the other way round; whatever is neither is no frame of ours: null.
_READ = """([width, height, bits]) => {
    const canvas = document.createElement("canvas");
    canvas.width = width; canvas.height = height;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    const lightness = (pixels, x, y) => pixels[4 * (y * width + x) + 1];
    const hold = video => video.readyState < 2 ? null : new VideoFrame(video);
    const read = frame => {
        if (frame === null) return null;
        context.drawImage(frame, 0, 0, width, height);
        const pixels = context.getImageData(0, 0, width, height).data;
        frame.close();
        let number = 0;
        for (let bit = 0; bit < bits; bit++) {
            const x = Math.floor((bit + 0.5) * width / bits);
            const upper = lightness(pixels, x, height / 4), lower = lightness(pixels, x, 3 * height / 4);
            if (Math.abs(upper - lower) < 60) return null;
            number = number * 2 + (upper > lower ? 1 : 0);
        }
        return number;
    };
    const root = document.getElementById("episode");
    const videos = [...document.querySelectorAll("video[data-name]")];
    const {time, synced} = root.dataset, held = videos.map(hold);
    return {
        time: Number(time), synced: synced === "true",
        frames: Object.fromEntries(held.map((frame, at) => [videos[at].dataset.name, read(frame)])),
    };
}"""


def make(path: Path, *, fps: float, seconds: float, options: str, sound: bool = False) -> Path:
    """A video whose frame `n` says so. `options` are those of ffmpeg's encoder."""
    words = ["-loglevel", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}"]
    words += ["-r", str(fps), "-i", "pipe:0"]
    if sound:
        words += ["-f", "lavfi", "-i", f"sine=440:sample_rate=48000:duration={seconds}", "-c:a", "aac"]
    words += ["-pix_fmt", "yuv420p", *options.split(), str(path)]
    with subprocess.Popen([ffmpeg(), *words], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(round(fps * seconds)):
            process.stdin.write(frame(number).tobytes())
        process.stdin.close()
        assert process.wait(timeout=200) == 0
    return path


def frame(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture of a frame: uint8 of shape (HEIGHT, WIDTH)."""
    bits = np.array([number >> bit & 1 for bit in reversed(range(BITS))], np.uint8)
    stripes = np.repeat(bits * 215 + 20, _STRIPE).astype(np.uint8)
    picture = np.empty((HEIGHT, WIDTH), np.uint8)
    picture[: HEIGHT // 2] = stripes
    picture[HEIGHT // 2 :] = 255 - stripes
    return picture


def read(page: Page) -> dict[str, Any]:
    """What the page's cameras show: `{time, synced, frames: {name: number or None}}`."""
    return page.evaluate(_READ, [WIDTH, HEIGHT, BITS])
