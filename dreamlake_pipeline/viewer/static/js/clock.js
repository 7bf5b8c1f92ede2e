/**
 * The one clock of an episode. Cameras, sounds, plots and lists all follow it; nobody follows anybody else.
 *
 * Times are seconds on the episode's clock: 0 is the earliest start of its tracks.
 */

/** Who moved the clock: a person, the clock itself as time goes by, or the player, which reports where it is. */
/** @typedef {"user" | "clock" | "player"} TimeSource */

/** @typedef {{time: number, source: TimeSource}} TimeDetail */

/** Speeds that are offered. All browsers play with each of them, and the eye follows. */
export const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 4, 8];

/** Milliseconds between two `time` events of a page that nobody looks at: browsers give it no animation frames. */
const HIDDEN_INTERVAL = 250;

/**
 * Events:
 * - `time`, detail {@link TimeDetail}: the time changed. While playing, of each animation frame; and after each seek.
 * - `state`: `playing`, `held`, `rate` or `repeating` changed.
 * - `cue`, detail `{direction: 1 | -1}`: a person asks for the next or the previous cue or event.
 * - `tracks`: where tracks of the view model start (`startSec`), or whether they are shown (`hidden`), has changed.
 */
export class Clock extends EventTarget {
  /** Seconds that the episode lasts. */
  duration;
  /** Whether a person wants it to play. It may be held all the same. */
  playing = false;
  /** Whether it waits for what can't play yet. */
  held = false;
  /** Seconds of the episode that go by in a second. */
  rate = 1;
  /** Whether {@link part} is played again and again. */
  repeating = false;
  /** The part of the episode that is looked at, in seconds. */
  part = { from: 0, to: Infinity };

  /** The time at `#since`, in milliseconds of performance.now(). */
  #time = 0;
  #since = 0;
  #frame = 0;
  #timer = 0;

  /** @param {number} duration seconds */
  constructor(duration) {
    super();
    this.duration = Math.max(0, duration) || 0;
    document.addEventListener("visibilitychange", () => {
      this.#stop();
      this.#go();
    });
  }

  get time() {
    return this.timeAt(performance.now());
  }

  /** Whether time goes by now. */
  get running() {
    return this.playing && !this.held;
  }

  /**
   * The time at another moment than now, if nobody moves the clock in between.
   * @param {number} moment milliseconds of performance.now()
   */
  timeAt(moment) {
    if (!this.running) return this.#time;
    return clamp(this.#time + ((moment - this.#since) / 1000) * this.rate, this.duration);
  }

  /**
   * Move the clock. Players go to the time that a person chose; a report of theirs moves only the clock.
   * @param {number} seconds
   * @param {TimeSource} [source]
   */
  seek(seconds, source = "user") {
    this.#set(Number.isFinite(seconds) ? clamp(seconds, this.duration) : this.#time);
    this.#tell(source);
  }

  /** Play on, or from the beginning when it is at its end, which is that of the part where that is repeated. */
  play() {
    if (this.playing) return;
    if (this.time >= this.#end) this.seek(this.repeating ? this.part.from : 0);
    this.#change(() => (this.playing = true));
  }

  pause() {
    if (this.playing) this.#change(() => (this.playing = false));
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** @param {number} rate seconds of the episode in a second, 0.1 to 8 */
  setRate(rate) {
    const bounded = Math.min(Math.max(rate, SPEEDS[0]), SPEEDS[SPEEDS.length - 1]) || 1;
    if (bounded !== this.rate) this.#change(() => (this.rate = bounded));
  }

  /** Repeat the part that is looked at, or play on behind it. */
  toggleRepeating() {
    this.#change(() => (this.repeating = !this.repeating));
  }

  /** Stop time until {@link release}: something can't play yet. A person's wish to play stays. */
  hold() {
    if (!this.held) this.#change(() => (this.held = true));
  }

  release() {
    if (this.held) this.#change(() => (this.held = false));
  }

  /** @param {1 | -1} direction */
  askForCue(direction) {
    this.dispatchEvent(new CustomEvent("cue", { detail: { direction } }));
  }

  /** Say that tracks of the view model start at other times, or are shown or hidden. */
  tracksChanged() {
    this.dispatchEvent(new Event("tracks"));
  }

  /** @param {() => void} change of what decides how time goes by */
  #change(change) {
    const time = this.time;
    change();
    this.#set(time);
    this.#stop();
    this.#go();
    this.dispatchEvent(new Event("state"));
  }

  /** @param {number} time */
  #set(time) {
    this.#time = time;
    this.#since = performance.now();
  }

  /** @param {TimeSource} source */
  #tell(source) {
    /** @type {TimeDetail} */
    const detail = { time: this.time, source };
    this.dispatchEvent(new CustomEvent("time", { detail }));
  }

  #go() {
    if (!this.running) return;
    if (document.hidden) this.#timer = window.setInterval(() => this.#pass(), HIDDEN_INTERVAL);
    else this.#frame = requestAnimationFrame(() => this.#pass());
  }

  #stop() {
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#timer);
  }

  get #end() {
    return this.repeating ? Math.min(this.part.to, this.duration) : this.duration;
  }

  #pass() {
    const hasEnded = this.time >= this.#end;
    if (hasEnded && this.repeating) this.seek(this.part.from);
    else this.#tell("clock");
    if (hasEnded && !this.repeating) this.pause();
    this.#stop();
    this.#go();
  }
}

/**
 * @param {number} time
 * @param {number} duration
 */
function clamp(time, duration) {
  return Math.min(Math.max(time, 0), duration);
}
