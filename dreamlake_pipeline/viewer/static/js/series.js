/** Values of a label track for the part of the time that is shown, asked for again when that is another part. */

import { getJson, isAbort } from "./api.js";
import { firstAbove } from "./canvas.js";

/** @typedef {import("./axis.js").Axis} Axis */
/** @typedef {import("./view.js").Track} Track */

/** @typedef {(number | null)[]} Values null: there is none at that time */

/**
 * What `/series` answers; times are seconds since the first time of the track.
 * @typedef {object} Series
 * @property {number} from
 * @property {number} to
 * @property {boolean} raw whether each value is one of the file's; else there are the least and the greatest of a bucket
 * @property {number[]} times
 * @property {Record<string, {values?: Values, min?: Values, max?: Values}>} fields null also where another field has a value
 * @property {Record<string, [number, number][]>} [gaps] of each field, from where to where it really has no values
 * @property {Record<string, {start: number, end: number, text: string, count?: number}[]>} marks
 */

/** Milliseconds that zooming has to rest before it is asked again. */
const REST = 120;
/** How much more than is shown is asked for on each side, in parts of what is shown. */
const MARGIN = 0.5;
/** Buckets a pixel: each has two points, the least and the greatest value. */
const DENSITY = 1;
/** Most pixels that the service takes. */
const WIDEST = 8192;

export class SeriesLoader {
  /** @type {Series | null} */
  series = null;
  /** Marks of the whole track, which `n` and `p` go to. @type {Series["marks"]} */
  allMarks = {};
  /** @type {string[]} */
  #fields = [];
  /** Buckets a second that the series was asked for with. */
  #density = 0;
  /** @type {AbortController | null} */
  #asking = null;
  #asked = "";
  /** The part that is asked for, until it is there. @type {Part | null} */
  #coming = null;
  #timer = 0;
  /** Values at one time, where those of the series are of buckets. @type {{since: number, series: Series} | null} */
  #exact = null;
  #exactTimer = 0;

  /**
   * @param {Track} track
   * @param {Axis} axis
   * @param {(fault: Error | null) => void} onload hears that there are other values, or why there are none
   */
  constructor(track, axis, onload) {
    this.track = track;
    this.axis = axis;
    this.onload = onload;
  }

  /** @param {string[]} fields empty: those that the service chooses */
  choose(fields) {
    this.#fields = fields;
    this.series = this.#exact = null;
    this.#asked = "";
    this.#coming = null;
    this.update();
  }

  /** Ask, if what is there does not do for what is shown. */
  update() {
    const wanted = this.#wanted();
    if (wanted === null || wanted.url === this.#asked) return;
    clearTimeout(this.#timer);
    if (this.#does(wanted) || (this.#coming && doesFor(this.#coming, wanted))) return;
    if (this.series) this.#timer = window.setTimeout(() => this.#ask(), REST);
    else this.#ask();
  }

  /**
   * What the fields are at a time. Where the series has only the least and the greatest value of a bucket, these; and
   * once the clock rests, what the entries say.
   * @param {number} since seconds since the first time of the track
   * @returns {{series: Series, at: number}}
   */
  at(since) {
    const series = /** @type {Series} */ (this.series);
    if (this.#exact?.since === since) return { series: this.#exact.series, at: placeOf(this.#exact.series, since) };
    clearTimeout(this.#exactTimer);
    if (!series.raw) this.#exactTimer = window.setTimeout(() => this.#askExactly(since), REST);
    return { series, at: placeOf(series, since) };
  }

  /** @param {number} since */
  async #askExactly(since) {
    const query = new URLSearchParams({ from: exact(since), to: exact(since), width: "1" });
    for (const field of this.#fields) query.append("fields", field);
    const series = await getJson(`${this.track.series}?${query}`).catch(() => null);
    if (!series?.raw) return;
    this.#exact = { since, series };
    this.onload(null);
  }

  #wanted() {
    const { axis, track } = this;
    const duration = track.durationSec ?? 0;
    const [from, to] = [axis.from - track.startSec, axis.to - track.startSec];
    if (to < 0 || from > duration) return null;
    const room = (to - from) * MARGIN;
    const [first, last] = [Math.max(from - room, 0), Math.min(to + room, duration)];
    const perSecond = (axis.width / axis.span) * DENSITY;
    const width = Math.min(Math.max(Math.round((last - first) * perSecond), 1), WIDEST);
    const query = new URLSearchParams({ from: exact(first), to: exact(last), width: String(width) });
    for (const field of this.#fields) query.append("fields", field);
    return {
      url: `${track.series}?${query}`,
      from: Math.max(from, 0),
      to: Math.min(to, duration),
      perSecond,
      asked: { from: first, to: last, perSecond },
      isWhole: first === 0 && last === duration,
    };
  }

  /** @param {Part} wanted */
  #does(wanted) {
    const { series } = this;
    if (!series) return false;
    const { from, to } = series;
    return doesFor({ from, to, perSecond: series.raw ? Infinity : this.#density }, wanted);
  }

  async #ask() {
    const wanted = this.#wanted();
    if (wanted === null) return;
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    this.#asked = wanted.url;
    this.#coming = wanted.asked;
    try {
      const series = /** @type {Series} */ (await getJson(wanted.url, asking.signal));
      if (asking !== this.#asking) return;
      this.series = series;
      this.#density = wanted.perSecond;
      if (wanted.isWhole) this.allMarks = series.marks ?? {};
      this.onload(null);
    } catch (fault) {
      if (!isAbort(fault) && asking === this.#asking) this.onload(/** @type {Error} */ (fault));
    } finally {
      if (asking === this.#asking) this.#coming = null;
    }
  }
}

/** @typedef {{from: number, to: number, perSecond: number}} Part of a track, in buckets a second */

/**
 * Whether there is enough of a track to draw what is wanted of it.
 * @param {Part} there
 * @param {Part} wanted
 */
function doesFor(there, wanted) {
  const slack = (wanted.to - wanted.from) * 1e-6;
  const isWithin = there.from <= wanted.from + slack && there.to >= wanted.to - slack;
  return isWithin && there.perSecond >= wanted.perSecond * 0.7;
}

/**
 * The place of the last time that is not after a time.
 * @param {Series} series
 * @param {number} since
 */
function placeOf({ times }, since) {
  return firstAbove(times.length, (place) => times[place], since + 1e-6) - 1;
}

/** @param {number} seconds */
function exact(seconds) {
  return String(Number(seconds.toFixed(6)));
}

/**
 * What a field is at a time: its last value before it, or the least and the greatest of the bucket; null where it has
 * none, or in a gap. `at` is the place of the time among those of the series.
 * @param {Series} series
 * @param {string} field
 * @param {number} at
 * @returns {[number, number] | null}
 */
export function valueAt({ times, fields, gaps }, field, at) {
  const found = fields[field];
  if (!found || at < 0) return null;
  const lows = found.values ?? found.min ?? [];
  const highs = found.values ?? found.max ?? [];
  let place = at;
  while (place > 0 && lows[place] == null && at - place < FURTHEST) place--;
  const [low, high] = [lows[place], highs[place]];
  if (low == null || high == null) return null;
  const isGap = gaps?.[field]?.some(([from, to]) => times[place] <= from && times[at] >= from && times[at] < to);
  return place !== at && isGap ? null : [low, high];
}

/** Entries of other fields between two values of one. */
const FURTHEST = 5000;

/** @param {number} value */
export function formatNumber(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const size = Math.abs(value);
  return size >= 1e6 || (size < 1e-3 && size > 0) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}
