/** The peaks of a sound, as BSS keeps them: the form of BBC audiowaveform 2. */

import { getJson } from "./api.js";
import { cleared, colours } from "./canvas.js";
import { element } from "./dom.js";
import { followPointer } from "./pointer.js";

/** @typedef {import("./row.js").Content} Content */
/** @typedef {import("./row.js").Page} Page */
/** @typedef {import("./row.js").Row} Row */
/** @typedef {import("./view.js").Track} Track */

/** @typedef {{peaks: Int8Array, perSecond: number, scale: number}} Waveform lowest and highest value of each peak */

/**
 * @param {Track} track
 * @param {Page} page
 * @param {Row} row
 * @returns {Content}
 */
export function waveform(track, { axis, clock }, row) {
  const canvas = element("canvas", { role: "img", "aria-label": `Waveform of ${track.name}` });
  const lane = element("div", { class: "lane" }, canvas);
  followPointer(lane, axis, clock);
  /** @type {Waveform | null} */
  let found = null;
  getJson(/** @type {string} */ (track.waveform)).then(
    (answer) => {
      found = read(answer);
      row.draw();
    },
    (fault) => lane.append(element("p", { class: "lane-note" }, `No waveform: ${fault.message}`)),
  );
  return {
    lanes: lane,
    height: 44,
    draw(height) {
      const context = cleared(canvas, axis.width, height);
      context.fillStyle = colours.of("info");
      if (found) drawPeaks(context, found, axis, track.startSec, height);
    },
  };
}

/**
 * @param {{channels?: number, sample_rate: number, samples_per_pixel: number, bits?: number, data: number[]}} answer
 * @returns {Waveform}
 */
function read({ channels = 1, sample_rate, samples_per_pixel, bits = 8, data }) {
  const length = Math.floor(data.length / 2 / channels);
  const peaks = new Int8Array(2 * length);
  const shift = bits - 8;
  for (let peak = 0; peak < length; peak++) {
    let [low, high] = [127, -128];
    for (let channel = 0; channel < channels; channel++) {
      const at = 2 * (peak * channels + channel);
      low = Math.min(low, data[at] >> shift);
      high = Math.max(high, data[at + 1] >> shift);
    }
    peaks[2 * peak] = low;
    peaks[2 * peak + 1] = high;
  }
  const loudest = peaks.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return { peaks, perSecond: sample_rate / samples_per_pixel, scale: 1 / Math.max(loudest, 12) };
}

/**
 * A column of pixels each, from the lowest to the highest value in it; quiet sounds are drawn larger.
 * @param {CanvasRenderingContext2D} context
 * @param {Waveform} waveform
 * @param {import("./axis.js").Axis} axis
 * @param {number} start seconds of the clock at which the sound starts
 * @param {number} height
 */
function drawPeaks(context, { peaks, perSecond, scale }, axis, start, height) {
  const length = peaks.length / 2;
  const middle = height / 2;
  const peakAt = (/** @type {number} */ x) => (axis.timeAt(x) - start) * perSecond;
  for (let x = 0; x < axis.width; x++) {
    const first = Math.max(Math.floor(peakAt(x)), 0);
    const last = Math.min(Math.max(Math.ceil(peakAt(x + 1)), first + 1), length);
    if (first >= last) continue;
    let [low, high] = [127, -128];
    for (let peak = first; peak < last; peak++) {
      low = Math.min(low, peaks[2 * peak]);
      high = Math.max(high, peaks[2 * peak + 1]);
    }
    const top = middle - high * scale * (middle - 1);
    context.fillRect(x, top, 1, Math.max((high - low) * scale * (middle - 1), 1));
  }
}
