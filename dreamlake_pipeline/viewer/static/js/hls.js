/**
 * The build of hls.js that the episode of this page needs. The light one, which has a third less, can't choose among
 * the sound tracks of a camera; a page loads the full one where a camera has several, and never both.
 */

import { PlaybackError } from "./playback.js";
import { readView } from "./view.js";

/** @typedef {typeof import("../vendor/hls.mjs").default} Library */

const isFull = readView().tracks.some(({ audioTracks }) => (audioTracks?.length ?? 0) > 1);

/** @type {Promise<{default: Library} | null>} null where it can't be had */
const loading = (isFull ? import("../vendor/hls.mjs") : import("../vendor/hls.light.mjs")).catch(() => null);

/** The library. Raises PlaybackError where the viewer does not have it. */
export async function loadHls() {
  const module = await loading;
  if (!module) throw new PlaybackError("hls.js can't be had from the viewer: is it installed there (make setup)?");
  return module.default;
}
