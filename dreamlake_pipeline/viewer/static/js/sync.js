/** Keeps players in step with the clock: they start together, wait for each other, and take drift back. */

import { DRIFT_SEEK } from "./player.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./player.js").Player} Player */

/** Milliseconds between two looks at where everybody is. */
const INTERVAL = 100;

/** Milliseconds in which a player that was told to play has to move, before all wait for it again. */
const START_PATIENCE = 2_000;

/** Milliseconds after the start for which it is seen how far they came apart by it. */
const SETTLING = 1_000;

/** Milliseconds between two looks at whether it moves. */
const START_INTERVAL = 8;

/** Milliseconds for which what is beside the cameras waits for them, when the page is opened. */
const PATIENCE = 2_000;

/** Seconds at rate 1 by which one that joins others goes ahead of them, to wait there; and the most, for slow ones. */
const LEAD = 0.4;
const LONGEST_LEAD = 6.4;

/** Seconds at rate 1 by which it may miss them. */
const GRACE = 0.15;

/** Milliseconds for which a player that was sought for its drift is left alone, the first time and at most. */
const QUIET = 1_000;
const LONGEST_QUIET = 32_000;

/**
 * Events: `state`, when `waitingFor`, `ready` or `synced` changed; `refused`, when the browser plays no sound before
 * somebody has clicked.
 */
export class Sync extends EventTarget {
  /** Whether it is known which players take part. */
  complete = false;
  /** Whether all that take part could play once. */
  ready = false;
  /** Whether all show the same moment, to a frame. */
  synced = false;
  /** Players that the others wait for. @type {Player[]} */
  waitingFor = [];

  /** @type {Set<Player>} */
  #players = new Set();
  /** The players that are about to start, and the element's time of each before. @type {Map<Player, number> | null} */
  #starting = null;
  #startedAt = 0;
  /** Those that start once these do: sound takes longer to begin than pictures. @type {Player[]} */
  #toStart = [];
  /** How patient to be with those that have to join others, or drifted. @type {WeakMap<Player, Patience>} */
  #patience = new WeakMap();
  #wasPlaying = false;
  #isTicking = false;
  #told = "";

  /** @param {Clock} clock */
  constructor(clock) {
    super();
    this.clock = clock;
    clock.addEventListener("time", (event) => {
      const { source } = /** @type {CustomEvent<import("./clock.js").TimeDetail>} */ (event).detail;
      if (source === "user") this.#gather();
    });
    clock.addEventListener("state", () => this.tick());
    clock.addEventListener("tracks", () => {
      if ([...this.#players].filter((player) => player.hasMoved()).length) this.#gather();
    });
    setInterval(() => this.tick(), INTERVAL);
  }

  /**
   * Resolved once all that take part can play, or when that takes so long that nothing else should wait for it.
   * @returns {Promise<void>}
   */
  settled() {
    return new Promise((resolve) => {
      const look = () => this.ready && resolve();
      this.addEventListener("state", look);
      setTimeout(resolve, PATIENCE);
      look();
    });
  }

  /** @param {Player} player */
  add(player) {
    this.#players.add(player);
    player.addEventListener("change", () => this.tick());
    player.addEventListener("failed", () => this.tick());
  }

  /** Look at where everybody is, and do what is needed. */
  tick() {
    // What is done here is heard of by events, some of them at once.
    if (this.#isTicking) return;
    this.#isTicking = true;
    // Whoever starts to play waits for all.
    if (this.clock.playing && !this.#wasPlaying) this.clock.hold();
    const hasStopped = this.#wasPlaying && !this.clock.playing;
    this.#wasPlaying = this.clock.playing;
    if (!this.clock.playing) this.#stand(hasStopped);
    else if (this.#starting) this.#start(this.#starting);
    else if (this.clock.held) this.#wait();
    else this.#run();
    this.#judge();
    this.#isTicking = false;
  }

  get #taking() {
    return [...this.#players].filter((player) => player.takesPart);
  }

  /** Go to the clock's time, all together. */
  #gather() {
    this.#starting = null;
    this.#patience = new WeakMap();
    this.#halt();
    for (const player of this.#taking) player.seek(this.clock.time);
    if (this.clock.playing) this.clock.hold();
    this.tick();
  }

  #halt() {
    for (const player of this.#players) player.stop();
  }

  /**
   * Nobody wants it to play: everybody shows the frame of the clock's time.
   *
   * Chromium may present one more picture than it tells of when a video is paused: all are sought then, whatever they
   * seem to show.
   * @param {boolean} hasStopped whether they played until now
   */
  #stand(hasStopped) {
    const { time } = this.clock;
    this.#starting = null;
    this.clock.release();
    this.#halt();
    for (const player of this.#taking) if (hasStopped || !player.shows(time, 0)) player.seek(time);
    this.waitingFor = this.#taking.filter((player) => !player.canGoOn(time, true));
  }

  /** Everybody waits, at the clock's time, until all can go on. */
  #wait() {
    const { time } = this.clock;
    const taking = this.#taking;
    this.#halt();
    for (const player of taking) if (!player.shows(time, 1)) player.seek(time);
    this.waitingFor = taking.filter((player) => !player.shows(time, 1) || !player.canGoOn(time, true));
    if (this.waitingFor.length) return;
    for (const player of taking) player.joined = true;
    this.#starting = new Map();
    this.#startedAt = performance.now();
    const going = taking.filter((player) => player.phase(time) === "in");
    const sounding = going.filter((player) => player.hasSound);
    this.#toStart = sounding.length ? going.filter((player) => !player.hasSound) : [];
    this.#playAll(this.#starting, sounding.length ? sounding : going);
    this.#start(this.#starting);
  }

  /**
   * @param {Map<Player, number>} from where to note the element's time of each
   * @param {Player[]} players
   */
  #playAll(from, players) {
    for (const player of players) {
      from.set(player, player.media.currentTime);
      this.#play(player);
    }
  }

  /**
   * They were told to play: the clock goes from where they are once all of them move.
   * @param {Map<Player, number>} from
   */
  #start(from) {
    const started = [...from.keys()].filter((player) => player.takesPart);
    const still = started.filter((player) => player.media.currentTime <= (from.get(player) ?? 0) && !player.media.ended);
    if (still.length && performance.now() - this.#startedAt < START_PATIENCE) return this.#lookSoon();
    if (!still.length && this.#toStart.length) {
      this.#playAll(from, this.#toStart);
      this.#toStart = [];
      return this.#lookSoon();
    }
    this.#starting = null;
    if (still.length) return this.#hold(still);
    if (started.length) this.clock.seek(median(started.map((player) => player.time)), "player");
    this.clock.release();
  }

  #lookSoon() {
    setTimeout(() => this.tick(), START_INTERVAL);
  }

  /** Time goes by: whoever can't go on holds all, whoever drifts is mended. */
  #run() {
    const { time } = this.clock;
    const taking = this.#taking;
    const stalled = taking.filter((player) => player.joined && !player.canGoOn(time, false));
    if (stalled.length) return this.#hold(stalled);
    this.waitingFor = [];
    const following = taking.filter((player) => player.joined && !player.media.paused && player.phase(time) === "in");
    const drifted = following.filter((player) => this.#hasDrifted(player));
    if (drifted.length) return this.#hold(drifted);
    if (performance.now() - this.#startedAt < SETTLING) this.#centre(following);
    for (const player of taking) {
      if (player.phase(time) !== "in") this.#rest(player, time);
      else if (!following.includes(player)) this.#enter(player, time);
    }
  }

  /**
   * Where some began later than others, as those with sound do, the clock goes between them: each has half of the way.
   * @param {Player[]} players
   */
  #centre(players) {
    const drifts = players.map((player) => player.drift).filter((drift) => drift !== null);
    if (!drifts.length || drifts.length < players.length) return;
    const middle = (Math.min(...drifts) + Math.max(...drifts)) / 2;
    this.clock.seek(this.clock.time + middle, "player");
  }

  /** @param {Player[]} stalled */
  #hold(stalled) {
    this.waitingFor = stalled;
    this.#halt();
    this.clock.hold();
  }

  /**
   * One that has not begun, or is over: it shows its first or its last frame.
   * @param {Player} player
   * @param {number} time
   */
  #rest(player, time) {
    const isBefore = player.phase(time) === "before";
    // The last frames are played to their end.
    if (!isBefore && !player.media.paused) return;
    if (!player.media.paused) player.stop();
    if (!player.shows(time, 1)) player.seek(time);
    player.joined ||= player.canGoOn(time, true);
    if (isBefore) this.#meet(player, player.track.startSec);
  }

  /**
   * One that begins, or becomes visible, or was paused by the browser. It goes ahead of them, waits, and starts when they come;
   * nobody waits for it.
   * @param {Player} player
   * @param {number} time
   */
  #enter(player, time) {
    if (player.media.readyState < HTMLMediaElement.HAVE_METADATA || player.media.seeking) return;
    const { joinsAt } = player;
    if (joinsAt !== null && time < joinsAt) return;
    const isThere = joinsAt !== null && time - joinsAt < GRACE * this.clock.rate && player.shows(joinsAt, 1);
    if (isThere && player.canGoOn(time, true)) return this.#play(player);
    const patience = this.#patienceWith(player);
    player.stop();
    player.joined = false;
    player.seek(time + patience.lead * this.clock.rate);
    this.#meet(player, time + patience.lead * this.clock.rate);
    patience.lead = Math.min(2 * patience.lead, LONGEST_LEAD);
  }

  /**
   * It is to start at this time of the clock, and not up to an interval later.
   * @param {Player} player
   * @param {number} time
   */
  #meet(player, time) {
    if (player.joinsAt === time) return;
    player.joinsAt = time;
    setTimeout(() => this.tick(), ((time - this.clock.time) / this.clock.rate) * 1000);
  }

  /**
   * One that plays: a small drift is taken back by its rate, a large one by a seek, for which the others wait.
   * @param {Player} player
   * @returns {boolean} whether it has to be sought
   */
  #hasDrifted(player) {
    const drift = player.correct();
    if (drift === null || Math.abs(drift) <= DRIFT_SEEK * Math.max(1, this.clock.rate)) return false;
    const patience = this.#patienceWith(player);
    const now = performance.now();
    if (now < patience.until) return false;
    // More seeks do not help a machine that can't decode so much: they become rarer.
    patience.until = now + patience.quiet;
    patience.quiet = Math.min(2 * patience.quiet, LONGEST_QUIET);
    return true;
  }

  /** @param {Player} player @returns {Patience} */
  #patienceWith(player) {
    const patience = this.#patience.get(player) ?? { lead: LEAD, quiet: QUIET, until: 0 };
    this.#patience.set(player, patience);
    return patience;
  }

  /** @param {Player} player */
  #play(player) {
    player.play().catch((error) => {
      if (error.name === "NotAllowedError") this.dispatchEvent(new Event("refused"));
    });
  }

  /** Tell what has changed. */
  #judge() {
    const { time } = this.clock;
    const taking = this.#taking;
    this.ready ||= this.complete && taking.every((player) => player.canGoOn(time, true));
    this.synced =
      this.complete &&
      !this.#starting &&
      taking.every((player) => player.inStep(time)) &&
      areTogether(taking.filter((player) => player.isVideo && this.clock.running && player.phase(time) === "in"));
    const state = `${this.ready} ${this.synced} ${this.waitingFor.map((player) => player.track.assetId)}`;
    if (state === this.#told) return;
    this.#told = state;
    this.dispatchEvent(new Event("state"));
  }
}

/**
 * @typedef {object} Patience
 * @property {number} lead seconds at rate 1 by which it goes ahead next time
 * @property {number} quiet milliseconds for which it is left alone after its next seek
 * @property {number} until milliseconds of performance.now()
 */

/**
 * Whether no two of the cameras that play are further from each other than a frame of the slower one: one may be ahead
 * of the clock, and the other behind it.
 * @param {Player[]} players
 */
function areTogether(players) {
  return players.every(({ drift, frame }, at) =>
    players.slice(at + 1).every((other) => Math.abs((drift ?? 0) - (other.drift ?? 0)) <= Math.max(frame, other.frame)),
  );
}

/** @param {number[]} numbers one at least */
function median(numbers) {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}
