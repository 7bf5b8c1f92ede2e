/**
 * How far the presented pictures are from what the element says that it plays.
 *
 * A browser presents the picture that fits a refresh of the screen best, so that one of them says little, and many of them
 * say whether it keeps up.
 */

/** Milliseconds for which a picture counts, and how many count at most and at least. */
const WINDOW = 2_000;
const MOST = 31;
const LEAST = 5;

export class Lag {
  /** @type {{at: number, lead: number}[]} */
  #last = [];

  clear() {
    this.#last = [];
  }

  /**
   * @param {HTMLVideoElement} video
   * @param {VideoFrameCallbackMetadata} frame that is presented
   */
  add(video, frame) {
    const now = performance.now();
    const wait = ((frame.expectedDisplayTime - now) / 1000) * video.playbackRate;
    this.#last.push({ at: now, lead: frame.mediaTime - video.currentTime - wait });
    if (this.#last.length > MOST) this.#last.shift();
  }

  /** Seconds by which pictures are ahead, negative where they are late; 0 where too few are known. */
  get lead() {
    const now = performance.now();
    const leads = this.#last.filter(({ at }) => now - at < WINDOW).map(({ lead }) => lead);
    if (leads.length < LEAST) return 0;
    leads.sort((one, other) => one - other);
    return leads[Math.floor(leads.length / 2)];
  }
}
