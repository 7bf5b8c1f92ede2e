/** How far the last presented pictures were from where the clock was. One of them says little: refreshes come unevenly. */

const KEPT = 7;
const NEEDED = 3;

/** Milliseconds after which a sample says nothing about now. */
const OLD = 600;

export class Samples {
  /** Seconds between two refreshes of a usual screen. */
  static REFRESH = 1 / 60;

  /** @type {{at: number, drift: number}[]} */
  #last = [];
  #clearedAt = performance.now();

  clear() {
    this.#last = [];
    this.#clearedAt = performance.now();
  }

  /** Milliseconds since they were forgotten. @param {number} now */
  age(now) {
    return now - this.#clearedAt;
  }

  /**
   * @param {number} at milliseconds of performance.now()
   * @param {number} drift seconds
   */
  add(at, drift) {
    this.#last.push({ at, drift });
    if (this.#last.length > KEPT) this.#last.shift();
  }

  /**
   * The median of those that are new enough, in seconds; null where there are too few.
   * @param {number} now milliseconds
   */
  median(now) {
    const drifts = this.#last.filter(({ at }) => now - at < OLD).map(({ drift }) => drift);
    if (drifts.length < NEEDED) return null;
    drifts.sort((one, other) => one - other);
    return drifts[Math.floor(drifts.length / 2)];
  }
}
