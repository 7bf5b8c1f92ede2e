/** Frames of the first camera: which one is shown, and how to get to another. */

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./view.js").View} View */

/** Seconds of rounding: a time on the border of two frames belongs to the later one. */
const ROUNDING = 0.001;

/** Frames in a second, for steps where no camera is shown. */
const USUAL_FPS = 30;

/**
 * The camera whose frames are counted: the first that is shown and has begun and not ended, else the first that is shown.
 * @param {View} view
 * @param {number} time
 */
function countedCamera(view, time) {
  const cameras = view.tracks.filter(({ kind, fps, hidden, playable }) => kind === "video" && fps && !hidden && playable);
  const runs = cameras.find(({ startSec, durationSec }) => startSec <= time && time < startSec + (durationSec ?? 0));
  return runs ?? cameras[0] ?? null;
}

/**
 * The number of the frame that the first camera shows, or null.
 * @param {View} view
 * @param {number} time
 */
export function frameAt(view, time) {
  const camera = countedCamera(view, time);
  if (!camera?.fps) return null;
  const length = Math.max(0, (camera.durationSec ?? Infinity) - 0.5 / camera.fps);
  return Math.floor((Math.min(Math.max(time - camera.startSec, 0), length) + ROUNDING) * camera.fps);
}

/**
 * Go to the middle of a frame that many frames away, of the first camera's.
 * @param {View} view
 * @param {Clock} clock
 * @param {number} count
 */
export function stepFrames(view, clock, count) {
  clock.pause();
  const camera = countedCamera(view, clock.time);
  const fps = camera?.fps || USUAL_FPS;
  const start = camera?.startSec ?? 0;
  const current = Math.floor((clock.time - start + ROUNDING) * fps);
  clock.seek(start + (current + count + 0.5) / fps);
}
