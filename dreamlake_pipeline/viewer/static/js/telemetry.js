/** The measurements that a text track holds, as a track with a row of its own: plots of what a camera wrote. */

/** @typedef {import("./view.js").Track} Track */

/**
 * The track of the measurements, which goes where its text track is moved; null where there are none.
 * @param {Track} track
 * @returns {Track | null}
 */
export function telemetryOf(track) {
  const { telemetry } = track;
  if (!telemetry) return null;
  const { startSec, ...rest } = telemetry;
  const own = { ...rest, kind: "label-track", name: `${track.name}/telemetry`, filename: `${track.filename} · telemetry` };
  return Object.create(track, {
    ...Object.getOwnPropertyDescriptors(own),
    startSec: { get: () => track.startSec + startSec },
  });
}
