/** What fills a media element: hls.js where there are Media Source Extensions, the browser's own HLS where there are none. */

import { loadHls } from "./hls.js";
import { Playback, PlaybackError, saidBy } from "./playback.js";

/** @typedef {import("../vendor/hls.mjs").default} Hls */
/** @typedef {import("./hls.js").Library} Library */
/** @typedef {import("./view.js").Track} Track */

const NATIVE_TYPE = "application/vnd.apple.mpegurl";

/** Times of MPEG-TS are 33 bits of 90 kHz. */
const WRAP = 2 ** 33 / 90_000;

/** Milliseconds within which a second fault of the decoder is final. */
const RECOVERY = 5_000;

const CONFIG = {
  // The worker is a script of 40 kB more, which a page has no room for (issue 13: 250 kB of script and style).
  enableWorker: false,
  autoStartLoad: false,
  // Many cameras share the memory of a page.
  maxBufferLength: 12,
  maxMaxBufferLength: 30,
  maxBufferSize: 16_000_000,
  backBufferLength: 12,
  capLevelToPlayerSize: true,
  abrEwmaDefaultEstimate: 5_000_000,
  // Subtitles are a list of the page; no stream is encrypted.
  subtitleTrackController: undefined,
  subtitleStreamController: undefined,
  timelineController: undefined,
  emeController: undefined,
  cmcdController: undefined,
};

/** The stream of one track in a media element, from `open` to `close`. */
export class Stream {
  /**
   * Seconds of the element's time at which the track's time is 0. hls.js puts its time 0 at the first time of decoding
   * in the segment that it read first, which is before the first picture where pictures are reordered.
   */
  origin = 0;

  #media;
  #track;
  #playback;
  #fail;
  /** @type {Hls | null} */
  #hls = null;
  #isOpen = false;
  #isNative = false;
  #renewed = false;
  #recovered = -Infinity;
  #onNativeError = () => void this.#reopenNative();

  /**
   * @param {HTMLMediaElement} media
   * @param {Track} track
   * @param {(reason: string) => void} fail is told why it can't be played
   */
  constructor(media, track, fail) {
    this.#media = media;
    this.#track = track;
    this.#fail = fail;
    this.#playback = new Playback(track.recordKind, track.recordId);
  }

  get isOpen() {
    return this.#isOpen;
  }

  /** Names of the sound tracks, once they are known; empty where there is no choice. */
  get soundTracks() {
    const tracks = this.#hls?.audioTracks ?? [];
    return tracks.length > 1 ? tracks.map((track) => track.name) : [];
  }

  get soundTrack() {
    return this.#hls?.audioTrack ?? 0;
  }

  set soundTrack(number) {
    if (this.#hls) this.#hls.audioTrack = number;
  }

  /**
   * Load from a time of the track on.
   * @param {number} position seconds
   */
  async open(position) {
    this.#isOpen = true;
    let url, Hls;
    try {
      [url, Hls] = await Promise.all([this.#playback.url(), loadHls()]);
    } catch (error) {
      if (this.#isOpen) this.#fail(error instanceof PlaybackError ? error.message : String(error));
      return;
    }
    // It may have been closed in the meantime, and opened again.
    if (!this.#isOpen || this.#hls || this.#isNative) return;
    if (Hls.isSupported()) this.#openHls(Hls, url, position);
    else if (this.#media.canPlayType(NATIVE_TYPE)) this.#openNative(url, position);
    else this.#fail("This browser can't play HLS.");
  }

  /** Load no further until {@link resume}; what is there stays. */
  rest() {
    this.#hls?.stopLoad();
  }

  resume() {
    this.#hls?.startLoad(this.#media.currentTime, true);
  }

  /** Give the element and its memory back. */
  close() {
    this.#isOpen = false;
    this.#hls?.destroy();
    this.#hls = null;
    if (this.#isNative) {
      this.#media.removeEventListener("error", this.#onNativeError);
      this.#media.removeAttribute("src");
      this.#media.load();
    }
    this.#isNative = false;
  }

  /**
   * @param {Library} Hls
   * @param {string} url
   * @param {number} position
   */
  #openHls(Hls, url, position) {
    const hls = new Hls({
      ...CONFIG,
      xhrSetup: async (xhr, named) => xhr.open("GET", await this.#playback.renewed(named), true),
    });
    this.#hls = hls;
    hls.on(Hls.Events.INIT_PTS_FOUND, (_, { id, initPTS, timescale }) => {
      if (id !== "main" || this.#track.streamStart == null) return;
      const origin = this.#track.streamStart - initPTS / timescale;
      this.origin = origin - WRAP * Math.round(origin / WRAP);
    });
    hls.on(Hls.Events.FRAG_LOADED, () => (this.#renewed = false));
    hls.on(Hls.Events.ERROR, (_, fault) => this.#onFault(Hls, hls, fault));
    hls.on(Hls.Events.MANIFEST_PARSED, () => hls.startLoad(position));
    hls.loadSource(url);
    hls.attachMedia(this.#media);
  }

  /**
   * @param {Library} Hls
   * @param {Hls} hls
   * @param {import("../vendor/hls.mjs").ErrorData} fault
   */
  #onFault(Hls, hls, fault) {
    const status = fault.response?.code;
    const isRefused = status === 401 || status === 403;
    if (isRefused) this.#playback.forget();
    else if (!fault.fatal) return;
    if (isRefused && !this.#renewed) {
      this.#renewed = true;
      void this.#reload(Hls, hls);
    } else if (fault.fatal && fault.type === Hls.ErrorTypes.MEDIA_ERROR && performance.now() - this.#recovered > RECOVERY) {
      this.#recovered = performance.now();
      hls.recoverMediaError();
    } else if (fault.fatal) {
      this.#fail(explain(fault, fault.type === Hls.ErrorTypes.NETWORK_ERROR));
    }
  }

  /**
   * Go on with another token: revoked, or ended while the machine slept.
   * @param {Library} Hls
   * @param {Hls} hls
   */
  async #reload(Hls, hls) {
    const position = this.#media.currentTime - this.origin;
    try {
      const url = await this.#playback.url();
      if (this.#hls !== hls) return;
      if (hls.levels.length) hls.startLoad(this.#media.currentTime);
      else {
        hls.destroy();
        this.#openHls(Hls, url, position);
      }
    } catch (error) {
      if (this.#hls === hls) this.#fail(error instanceof PlaybackError ? error.message : String(error));
    }
  }

  /**
   * @param {string} url
   * @param {number} position
   */
  #openNative(url, position) {
    this.#isNative = true;
    this.#media.addEventListener("error", this.#onNativeError);
    this.#media.src = url;
    this.#media.currentTime = position;
  }

  async #reopenNative() {
    if (this.#renewed) return this.#fail(this.#media.error?.message || "The browser can't play the stream.");
    this.#renewed = true;
    this.#playback.forget();
    const position = this.#media.currentTime;
    this.close();
    await this.open(position);
  }
}

/**
 * Why playing ended, for a person to read.
 * @param {import("../vendor/hls.mjs").ErrorData} fault
 * @param {boolean} isOfNetwork
 */
function explain(fault, isOfNetwork) {
  if (!isOfNetwork) return `The browser can't play the stream: ${fault.details}.`;
  const what = fault.frag ? "A segment" : "The playlist";
  const status = fault.response?.code;
  if (!status) return `${what} can't be had: the storage service does not answer.`;
  return `${what} can't be had: ${saidBy(parse(fault.networkDetails)) ?? `the storage service answered ${status}.`}`;
}

/** @param {unknown} request */
function parse(request) {
  if (!(request instanceof XMLHttpRequest)) return null;
  try {
    return JSON.parse(request.responseType === "arraybuffer" ? new TextDecoder().decode(request.response) : request.responseText);
  } catch {
    return null;
  }
}
