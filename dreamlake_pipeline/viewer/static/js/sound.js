/** What is heard: sounds of cameras and microphones, one or several, in step with the pictures. */

import { button, element } from "./dom.js";
import { icon } from "./icons.js";
import { Player } from "./player.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./sync.js").Sync} Sync */
/** @typedef {import("./view.js").View} View */

/**
 * @typedef {object} Source something that can be heard
 * @property {string} name
 * @property {Player} player
 * @property {boolean} on
 */

/**
 * The sources of an episode. At first, one is on: the first microphone, else the first camera with sound.
 *
 * Events: `change`, when what is heard has changed, or which tracks there are to choose from.
 */
export class Sound extends EventTarget {
  /** @type {Source[]} */
  sources = [];
  /** The browser refused to play sound before somebody has clicked. */
  refused = false;
  volume = 1;

  #clock;

  /**
   * @param {HTMLElement} root
   * @param {View} view
   * @param {Clock} clock
   * @param {Sync} sync
   * @param {Camera[]} cameras
   */
  constructor(root, view, clock, sync, cameras) {
    super();
    this.#clock = clock;
    for (const track of view.tracks.filter((track) => track.kind === "audio" && track.playable)) {
      const audio = element("audio", { "data-name": track.name, preload: "none", hidden: true });
      root.append(audio);
      const player = new Player(track, audio, clock);
      sync.add(player);
      this.sources.push({ name: track.name, player, on: false });
    }
    for (const camera of cameras) {
      if (!camera.player || !camera.track.hasAudio) continue;
      const source = { name: camera.track.name, player: camera.player, on: false };
      this.sources.push(source);
      this.#addButton(camera, source);
      camera.player.media.addEventListener("loadeddata", () => this.#tell());
    }
    if (this.sources.length) this.turn(this.sources[0], true);
    sync.addEventListener("refused", () => this.#refuse());
  }

  /**
   * @param {Source} source
   * @param {boolean} on
   */
  turn(source, on) {
    source.on = on;
    if (on) this.refused = false;
    const { player } = source;
    player.media.muted = !on;
    player.media.volume = this.volume;
    if (!player.isVideo) {
      if (on) player.enter();
      else player.leave();
    }
    this.#tell();
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this.volume = volume;
    for (const { player } of this.sources) player.media.volume = volume;
  }

  /** Everything plays on without sound, and the page says so. */
  #refuse() {
    for (const source of this.sources) if (source.on) this.turn(source, false);
    this.refused = true;
    this.#tell();
    this.#clock.dispatchEvent(new Event("state"));
  }

  /**
   * @param {Camera} camera
   * @param {Source} source
   */
  #addButton(camera, source) {
    const mute = button("", `Sound of ${source.name}`, () => this.turn(source, !source.on));
    this.addEventListener("change", () => {
      mute.replaceChildren(icon(source.on ? "sound" : "silence"));
      mute.setAttribute("aria-pressed", String(source.on));
    });
    camera.addControl(mute);
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
