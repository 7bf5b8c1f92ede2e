/** The part of the episode's time that all rows show, and where a time is on it. */

import { readLink, writeLink } from "./deeplink.js";

/** The shortest span that can be shown, in seconds: some samples of a fast sensor. */
const SHORTEST = 0.01;

/** Events: `change`, when the span or the width changed. */
export class Axis extends EventTarget {
  /** Seconds of the episode's clock at the left and at the right edge. */
  from = 0;
  to = 1;
  /** Pixels between them. */
  width = 1;

  /** @param {number} duration seconds of the episode */
  constructor(duration) {
    super();
    this.duration = duration;
    this.to = this.longest;
  }

  /** Seconds of the whole; of an episode without any, one. */
  get longest() {
    return this.duration > 0 ? this.duration : 1;
  }

  get span() {
    return this.to - this.from;
  }

  get isWhole() {
    return this.span >= this.longest;
  }

  /** @param {number} time */
  xOf(time) {
    return ((time - this.from) / this.span) * this.width;
  }

  /** @param {number} x pixels from the left edge */
  timeAt(x) {
    return this.from + (x / this.width) * this.span;
  }

  /** @param {number} width pixels */
  setWidth(width) {
    if (width === this.width || width <= 0) return;
    this.width = width;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} duration seconds */
  setDuration(duration) {
    const wasWhole = this.isWhole;
    this.duration = duration;
    if (wasWhole) this.fit();
    else this.show(this.from, this.to);
  }

  /**
   * Show a span; it is moved and shortened so that it lies within the episode.
   * @param {number} from
   * @param {number} to
   */
  show(from, to) {
    if (!Number.isFinite(from) || !Number.isFinite(to)) return;
    const span = Math.min(Math.max(to - from, Math.min(SHORTEST, this.longest)), this.longest);
    const start = Math.min(Math.max((from + to - span) / 2, 0), this.longest - span);
    if (start === this.from && start + span === this.to) return;
    this.from = start;
    this.to = start + span;
    this.dispatchEvent(new Event("change"));
  }

  fit() {
    this.show(0, this.longest);
  }

  /**
   * Show less (a factor above 1) or more, with one time where it is.
   * @param {number} factor
   * @param {number} time
   */
  zoom(factor, time) {
    const span = Math.min(Math.max(this.span / factor, Math.min(SHORTEST, this.longest)), this.longest);
    const from = time - ((time - this.from) / this.span) * span;
    this.show(from, from + span);
  }

  /** @param {number} seconds */
  pan(seconds) {
    const from = Math.min(Math.max(this.from + seconds, 0), this.longest - this.span);
    this.show(from, from + this.span);
  }

  /**
   * Bring a time into view. While time goes by, the next page is turned; else it comes to the middle.
   * @param {number} time
   * @param {boolean} turnsPage
   */
  reveal(time, turnsPage) {
    if (time >= this.from && time <= this.to) return;
    const from = turnsPage ? time - this.span * 0.05 : time - this.span / 2;
    this.pan(from - this.from);
  }
}

/**
 * Show the part of the time that the page's URL names, and keep that up to date.
 * @param {Axis} axis
 */
export function followLink(axis) {
  const [from, to] = (readLink("zoom") ?? "").split("-").map(Number.parseFloat);
  if (to > from) axis.show(from, to);
  axis.addEventListener("change", () => {
    writeLink("zoom", axis.isWhole ? null : `${Number(axis.from.toFixed(3))}-${Number(axis.to.toFixed(3))}`);
  });
}

const STEPS = [1, 2, 5];
const SIXTIES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/**
 * Seconds between two ticks that are at least so far apart.
 * @param {number} least
 */
export function tickStep(least) {
  if (least > 1) return SIXTIES.find((step) => step >= least) ?? Math.ceil(least / 86400) * 86400;
  const power = 10 ** Math.floor(Math.log10(least));
  return (STEPS.find((step) => step * power >= least * (1 - 1e-9)) ?? 10) * power;
}

/**
 * A time as people read it: `1:02.50`; with hours where there are some.
 * @param {number} seconds
 * @param {number} [digits] behind the point
 */
export function formatTime(seconds, digits = 0) {
  const unit = 10 ** digits;
  const total = Math.round(Math.abs(seconds) * unit);
  const whole = Math.floor(total / unit);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const clock = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  const fraction = digits ? `.${String(total % unit).padStart(digits, "0")}` : "";
  return (seconds < 0 && total ? "-" : "") + clock + fraction;
}

/**
 * Digits behind the point that tell two times apart that are a step apart.
 * @param {number} step seconds
 */
export function digitsOf(step) {
  return step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step) - 1e-9));
}
