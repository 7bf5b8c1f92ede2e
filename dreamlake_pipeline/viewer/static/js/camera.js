/** The tile of one camera: its picture, its name, and what there is to say about it. */

import { button, element } from "./dom.js";
import { icon } from "./icons.js";
import { Player } from "./player.js";
import { clockText } from "./times.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./view.js").Track} Track */

const UNPLAYABLE = new Map([
  ["failed", "Processing failed."],
  ["registered", "Not queued yet."],
  ["queued", "Waiting to be processed."],
  ["processing", "Being processed."],
]);

export class Camera {
  /** @type {Player | null} null for one that can't be played */
  player = null;
  /** A person wants to see it alone, or with the others again. */
  onalone = () => {};

  #notice = element("p", { class: "notice", role: "status" });
  #controls = element("span", { class: "controls" });
  /** @type {HTMLElement | null} */
  #alone = null;

  /**
   * @param {Track} track
   * @param {Clock} clock
   */
  constructor(track, clock) {
    this.track = track;
    this.clock = clock;
    const screen = element("div", { class: "screen" });
    const name = track.file ? element("a", { href: track.file, title: track.name }, track.name) : track.name;
    this.tile = element(
      "figure",
      { class: "camera", "data-asset": track.assetId, "data-state": "loading" },
      screen,
      element("figcaption", {}, element("span", { class: "name" }, name), element("span", { class: "facts" }, factsOf(track)), this.#controls),
    );
    if (track.playable) {
      const video = this.#makeVideo();
      screen.append(video);
      this.player = new Player(track, video, clock);
      this.player.addEventListener("failed", () => this.update([]));
      this.#alone = button(icon("full"), `Full screen of ${track.name}`, () => this.onalone(), { "aria-pressed": "false" });
      this.#controls.append(this.#alone);
      video.addEventListener("dblclick", () => this.onalone());
    }
    screen.append(this.#notice);
    this.update([]);
  }

  /**
   * Say what state it is in.
   * @param {Player[]} waitingFor
   */
  update(waitingFor) {
    const { state, text } = this.#state(waitingFor);
    if (this.tile.dataset.state === state) return;
    this.tile.dataset.state = state;
    this.#notice.replaceChildren(text);
    if (state === "unplayable") this.#notice.append(button("Try again", `Try ${this.track.name} again`, () => this.#retry()));
  }

  /**
   * Put a control beside its name.
   * @param {HTMLElement} control
   */
  addControl(control) {
    this.#controls.prepend(control);
  }

  /** It is in sight: it loads, and shows its poster until it has a frame. */
  enter() {
    const { player, track } = this;
    if (!player) return;
    player.enter();
    // Behind the question for its stream: a browser has few connections to the viewer.
    if (track.poster && !player.media.hasAttribute("poster")) player.media.setAttribute("poster", track.poster);
  }

  /** @param {boolean} isAlone */
  showAlone(isAlone) {
    this.#alone?.setAttribute("aria-pressed", String(isAlone));
  }

  /** @param {Player[]} waitingFor */
  #state(waitingFor) {
    const { track, player, clock } = this;
    if (!player) {
      const said = track.error ? `${track.error.message} ${track.error.hint ?? ""}` : "";
      return { state: track.status, text: `${UNPLAYABLE.get(track.status) ?? track.status} ${said}`.trim() };
    }
    if (player.failure !== null) return { state: "unplayable", text: player.failure };
    const phase = player.phase(clock.time);
    if (phase === "before") return { state: "before", text: `Starts at ${clockText(track.startSec)}` };
    if (phase === "after" && player.media.readyState > 0) return { state: "after", text: "Ended" };
    return waitingFor.includes(player) ? { state: "loading", text: "Loading" } : { state: "playing", text: "" };
  }

  #makeVideo() {
    const { track } = this;
    const video = element("video", {
      "data-name": track.name,
      "aria-label": track.name,
      width: track.width,
      height: track.height,
      preload: "none",
      playsinline: true,
      disablepictureinpicture: true,
      disableremoteplayback: true,
    });
    video.muted = true;
    return video;
  }

  #retry() {
    this.player?.open();
    this.update(this.player ? [this.player] : []);
  }
}

/** @param {Track} track */
function factsOf(track) {
  const fps = track.fps ? `${Number(track.fps.toFixed(2))} fps` : null;
  const partial = track.partial ? "partial" : null;
  return [track.codec ?? track.mode, fps, partial].filter(Boolean).join(" · ");
}
