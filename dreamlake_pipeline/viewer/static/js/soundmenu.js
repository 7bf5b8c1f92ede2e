/** The list of what can be heard, behind a button of the time bar. */

import { element } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("./sound.js").Sound} Sound */
/** @typedef {import("./sound.js").Source} Source */

/**
 * @param {Sound} sound
 * @returns {HTMLElement} empty where there is nothing to hear
 */
export function soundMenu(sound) {
  if (!sound.sources.length) return element("span");
  const summary = element("summary", { title: "Sound" });
  const rows = sound.sources.map((source) => row(sound, source));
  const volume = element("input", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": "Volume" });
  volume.value = String(sound.volume);
  volume.addEventListener("input", () => sound.setVolume(Number(volume.value)));
  const refused = element("p", { role: "status" });
  const menu = element("details", { class: "sound" }, summary, element("div", { class: "menu" }, refused, ...rows.map((made) => made.line), volume));
  const show = () => {
    const heard = sound.sources.filter(({ on }) => on).length;
    summary.replaceChildren(icon(heard ? "sound" : "silence"));
    summary.setAttribute("aria-label", heard ? `Sound: ${heard} on` : "Sound: off");
    refused.textContent = sound.refused ? "The browser plays no sound before you have clicked. Choose what to hear." : "";
    for (const { show } of rows) show();
  };
  sound.addEventListener("change", show);
  document.addEventListener("click", (event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  show();
  return menu;
}

/**
 * @param {Sound} sound
 * @param {Source} source
 */
function row(sound, source) {
  const box = element("input", { type: "checkbox" });
  box.addEventListener("change", () => sound.turn(source, box.checked));
  const tracks = element("select", { "aria-label": `Sound track of ${source.name}` });
  tracks.addEventListener("change", () => (source.player.stream.soundTrack = Number(tracks.value)));
  const line = element("div", { class: "source" }, element("label", {}, box, source.name), tracks);
  const show = () => {
    box.checked = source.on;
    const { soundTracks, soundTrack } = source.player.stream;
    tracks.hidden = !soundTracks.length;
    if (tracks.options.length !== soundTracks.length) {
      tracks.replaceChildren(...soundTracks.map((name, number) => element("option", { value: number }, name)));
    }
    tracks.value = String(soundTrack);
  };
  return { line, show };
}
