/** One camera or microphone that follows the clock: where it is, what it shows, whether it can go on. */

import { Lag } from "./lag.js";
import { Stream } from "./stream.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./view.js").Track} Track */

/** Seconds behind the beginning of a frame that are sought: a time on the border of two is one or the other by rounding. */
const INSIDE = 0.001;

/** Seconds by which browsers, that count microseconds, round the time of a frame. */
const ROUNDING = 0.00001;

/** Seconds that a picture of unknown rate, or a piece of sound, is taken to last. */
const FRAME = 1 / 30;

/** Milliseconds after a seek within which its picture is shown, if it is another one than before. */
const SHOWN = 300;

/** Milliseconds after it began to play in which the element's time says little. */
const SETTLED = 200;

/** Seconds of sound that nobody hears. */
const SOUND_TOLERANCE = 0.03;

/** Seconds that have to be loaded before it starts, and below which it is held; of the clock's at rate 1. */
const ENOUGH = 1;
const TOO_LITTLE = 0.25;

/** The drift of a follower, in seconds: from here on its rate is changed, from there on it is sought. */
export const DRIFT_RATE = 0.03;
export const DRIFT_SEEK = 0.25;

/** How much its rate may differ from the clock's, and the seconds in which it takes a drift back where that allows it. */
const MOST_CORRECTION = 0.05;
const CORRECTED_IN = 0.5;

/**
 * Events: `change`, when anything that decides whether it can go on may have changed; `failed`.
 *
 * A player is `active` while somebody sees or hears it. Once it goes with the clock it is `joined`; one that becomes
 * active while others play joins at `joinsAt`, and nobody waits for it.
 */
export class Player extends EventTarget {
  active = false;
  joined = false;
  /** @type {number | null} time of the clock */
  joinsAt = null;
  /** Why it can't be played, for a person to read. @type {string | null} */
  failure = null;

  /** What it was last sent to, in seconds of the element's time. */
  #aim = NaN;
  /** Time of the clock that it is sent to when the seek that is under way is over. @type {number | null} */
  #next = null;
  #seekedAt = 0;
  /** Whether it showed a picture since that seek. */
  #fresh = false;
  /** The element's time of the picture that is shown. */
  #shown = NaN;
  #correcting = false;
  #lag = new Lag();
  #playedAt = 0;
  #startSec;

  /**
   * @param {Track} track
   * @param {HTMLMediaElement} media
   * @param {Clock} clock
   */
  constructor(track, media, clock) {
    super();
    this.track = track;
    this.media = media;
    this.clock = clock;
    this.#startSec = track.startSec;
    this.frame = media instanceof HTMLVideoElement && track.fps ? 1 / track.fps : FRAME;
    this.stream = new Stream(media, track, (reason) => this.#fail(reason));
    for (const name of ["loadeddata", "canplay", "waiting", "progress", "ended", "playing", "pause"]) {
      media.addEventListener(name, () => this.#changed());
    }
    media.addEventListener("loadedmetadata", () => this.#goOn());
    media.addEventListener("seeking", () => (this.#fresh = false));
    media.addEventListener("seeked", () => {
      this.#seekedAt = performance.now();
      this.#goOn();
    });
    if (media instanceof HTMLVideoElement) this.#watch(media);
  }

  /** Whether it goes by the clock of the sound card, which starts later than pictures alone. */
  get hasSound() {
    return !this.isVideo || this.track.hasAudio === true;
  }

  get isVideo() {
    return this.media instanceof HTMLVideoElement;
  }

  /** Whether it takes part: active, and not known to be unplayable. */
  get takesPart() {
    return this.active && this.failure === null;
  }

  /** Seconds of the track's time where it shows its last picture. */
  get last() {
    const played = this.media.duration - this.stream.origin;
    const known = this.track.durationSec ?? Infinity;
    const end = Math.min(Number.isFinite(played) ? played : known, known);
    return Number.isFinite(end) ? Math.max(0, end - this.frame / 2) : 0;
  }

  /**
   * Whether the track has not begun, goes on, or is over.
   * @param {number} time of the clock
   * @returns {"before" | "in" | "after"}
   */
  phase(time) {
    const position = time - this.track.startSec;
    if (position < 0) return "before";
    return position < this.last && !this.#endedEarly ? "in" : "after";
  }

  /** It ended before its track was said to. */
  get #endedEarly() {
    return this.media.ended && !this.media.seeking;
  }

  /**
   * The track's time that it has to show.
   * @param {number} time of the clock
   */
  place(time) {
    return Math.min(Math.max(time - this.track.startSec, 0), this.last);
  }

  /** The clock's time of what the element plays now, by the element. */
  get time() {
    return this.media.currentTime - this.stream.origin + this.track.startSec;
  }

  /** Load, from the clock's time on. */
  open() {
    const position = Math.max(0, this.clock.time - this.track.startSec);
    this.failure = null;
    this.#aim = NaN;
    this.#shown = NaN;
    void this.stream.open(Math.min(position, this.track.durationSec ?? position));
  }

  close() {
    this.stop();
    this.stream.close();
  }

  /** Somebody sees or hears it from now on. */
  enter() {
    this.active = true;
    if (this.failure !== null) return;
    if (this.stream.isOpen) this.stream.resume();
    else this.open();
  }

  /** Nobody sees or hears it. @returns {boolean} whether it keeps what it has loaded */
  leave() {
    this.active = false;
    this.stop();
    this.stream.rest();
    return this.stream.isOpen;
  }

  /**
   * Send it to a time of the clock. While a seek is under way, only the last of these is remembered.
   * @param {number} time
   */
  seek(time) {
    this.#lag.clear();
    if (this.media.readyState < HTMLMediaElement.HAVE_METADATA || this.media.seeking) {
      this.#next = time;
      return;
    }
    this.#next = null;
    const aim = this.stream.origin + this.place(time) + INSIDE;
    if (Math.abs(aim - this.#aim) < INSIDE / 2 && Math.abs(this.media.currentTime - aim) < INSIDE) return;
    this.#aim = aim;
    this.#fresh = false;
    this.media.currentTime = aim;
  }

  /**
   * Whether it shows what it has to at a time of the clock, to `frames` frames on either side of the right one.
   * @param {number} time
   * @param {number} frames
   */
  shows(time, frames) {
    if (this.media.seeking || this.#next !== null || this.media.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return false;
    const place = this.stream.origin + this.place(time);
    if (!this.isVideo) return Math.abs(this.media.currentTime - place) <= SOUND_TOLERANCE;
    const late = place + INSIDE + ROUNDING - this.#shown;
    const tolerance = frames * this.frame;
    if (late >= -tolerance && late < this.frame + tolerance) return true;
    // Frames of an uneven rate last as long as they do: what a seek to this very time showed is right.
    const isAimed = Math.abs(this.#aim - INSIDE - place) < INSIDE && Math.abs(this.media.currentTime - this.#aim) < INSIDE;
    return isAimed && (this.#fresh || performance.now() - this.#seekedAt > SHOWN);
  }

  /**
   * Whether it can go on from where it is; to begin takes more than to continue.
   * @param {number} time of the clock
   * @param {boolean} isBeginning
   */
  canGoOn(time, isBeginning) {
    const { media } = this;
    if (media.seeking || this.#next !== null || media.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return false;
    if (this.phase(time) !== "in") return true;
    const loaded = this.#loaded();
    if (loaded >= media.duration - 2 * this.frame) return true;
    const wanted = (isBeginning ? ENOUGH : TOO_LITTLE) * this.clock.rate;
    return media.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA && loaded - media.currentTime > wanted;
  }

  /** The element's time up to which it is loaded without a hole. */
  #loaded() {
    const { buffered, currentTime } = this.media;
    for (let range = 0; range < buffered.length; range++) {
      if (buffered.start(range) <= currentTime + this.frame && currentTime <= buffered.end(range)) return buffered.end(range);
    }
    return currentTime;
  }

  /** Go with the clock from now on. @returns {Promise<void>} rejected where the browser refuses sound */
  play() {
    this.#lag.clear();
    this.#aim = NaN;
    this.#correcting = false;
    this.#playedAt = performance.now();
    this.joined = true;
    this.joinsAt = null;
    this.#setRate(this.clock.rate);
    return this.media.play();
  }

  /** Stand still, and go with the clock no more. */
  stop() {
    this.joined = false;
    this.joinsAt = null;
    this.#lag.clear();
    if (!this.media.paused) this.media.pause();
  }

  /** Whether its track was moved on the clock since this was asked last. */
  hasMoved() {
    const hasMoved = this.#startSec !== this.track.startSec;
    this.#startSec = this.track.startSec;
    return hasMoved;
  }

  /**
   * Seconds that what it shows is ahead of the clock, or null where that is not known yet: by the element's time, and by
   * the pictures that were presented, which may be others.
   * @returns {number | null}
   */
  get drift() {
    if (performance.now() - this.#playedAt < SETTLED) return null;
    return this.time - this.clock.time + this.#lag.lead;
  }

  /** Take a small drift back by its rate. @returns {number | null} the drift */
  correct() {
    const { drift } = this;
    if (drift === null) return null;
    // A frame that lasts less than that would be another one by then.
    const bound = Math.min(DRIFT_RATE, 0.75 * this.frame) * Math.max(1, this.clock.rate);
    if (Math.abs(drift) > bound) this.#correcting = true;
    else if (Math.abs(drift) < bound / 4) this.#correcting = false;
    const wanted = this.#correcting ? -drift / CORRECTED_IN / this.clock.rate : 0;
    const correction = Math.min(Math.max(wanted, -MOST_CORRECTION), MOST_CORRECTION);
    this.#setRate(this.clock.rate * (1 + correction));
    return drift;
  }

  /**
   * Whether it shows the clock's moment to a frame.
   * @param {number} time of the clock
   */
  inStep(time) {
    const phase = this.phase(time);
    if (!this.clock.playing) return this.shows(time, 0);
    if (!this.clock.running || phase === "before") return this.shows(time, 1);
    if (phase === "after") return this.media.ended || this.place(time) + this.track.startSec - this.time < 2 * this.frame;
    if (!this.joined || this.media.seeking) return false;
    const { drift } = this;
    return drift !== null && Math.abs(drift) <= this.frame;
  }

  /** @param {number} rate */
  #setRate(rate) {
    const { media } = this;
    if (Math.abs(media.playbackRate - rate) < 0.001) return;
    media.defaultPlaybackRate = rate;
    media.playbackRate = rate;
  }

  /** After a seek, or once there is something to seek in. */
  #goOn() {
    if (this.#next !== null) this.seek(this.#next);
    this.#changed();
  }

  /** @param {HTMLVideoElement} video */
  #watch(video) {
    const onFrame = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ frame) => {
      this.#shown = frame.mediaTime;
      this.#fresh = !video.seeking;
      if (this.joined && !video.paused && !video.seeking) this.#lag.add(video, frame);
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }

  /** @param {string} reason */
  #fail(reason) {
    this.failure = reason;
    this.close();
    this.dispatchEvent(new Event("failed"));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
