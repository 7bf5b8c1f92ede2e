/** The bar at the foot: play, time, frame, speed, the slider, sound. */

import { SPEEDS } from "./clock.js";
import { button, element } from "./dom.js";
import { frameAt, stepFrames } from "./frames.js";
import { showHelp } from "./help.js";
import { icon } from "./icons.js";
import { soundMenu } from "./soundmenu.js";
import { clockText, secondsOf, spoken } from "./times.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./sound.js").Sound} Sound */
/** @typedef {import("./view.js").View} View */

/**
 * @param {HTMLElement} root
 * @param {View} view
 * @param {Clock} clock
 * @param {Sound} sound
 */
export function mountTimebar(root, view, clock, sound) {
  const bar = /** @type {HTMLElement} */ (root.querySelector("#timebar"));
  const play = button(icon("play"), "Play (space)", () => clock.toggle());
  play.classList.add("play");
  const back = button(icon("back"), "A frame back (,)", () => stepFrames(view, clock, -1));
  const on = button(icon("on"), "A frame on (.)", () => stepFrames(view, clock, 1));
  const time = element("input", { class: "time", type: "text", inputmode: "decimal", spellcheck: "false", "aria-label": "Time" });
  const frame = element("span", { class: "frame" });
  const speed = element("select", { class: "speed", "aria-label": "Speed", title: "Speed (+ and -)" });
  for (const rate of SPEEDS) speed.append(element("option", { value: rate }, `${rate}×`));
  const repeat = button(icon("repeat"), "Repeat what is shown (l)", () => clock.toggleRepeating(), { "aria-pressed": "false" });
  const slider = element("input", {
    class: "slider",
    type: "range",
    min: 0,
    step: "any",
    "aria-label": "Time in the episode",
  });
  const end = element("span", { class: "end" });
  const help = button("?", "Keys (?)", showHelp);
  bar.append(play, back, on, time, frame, speed, repeat, slider, end, soundMenu(sound), help);

  time.addEventListener("change", () => {
    const seconds = secondsOf(time.value);
    if (Number.isNaN(seconds)) time.value = clockText(clock.time);
    else clock.seek(seconds);
  });
  time.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "Escape") time.blur();
  });
  time.addEventListener("blur", () => showTime());
  speed.addEventListener("change", () => clock.setRate(Number(speed.value)));
  slider.addEventListener("input", () => clock.seek(Number(slider.value)));

  const showTime = () => {
    const now = clock.time;
    slider.value = String(now);
    slider.style.setProperty("--done", `${clock.duration ? (100 * now) / clock.duration : 0}%`);
    slider.setAttribute("aria-valuetext", spoken(now));
    if (document.activeElement !== time) time.value = clockText(now);
    const number = frameAt(view, now);
    frame.textContent = number === null ? "" : `frame ${number}`;
  };
  const showState = () => {
    play.replaceChildren(icon(clock.playing ? "pause" : "play"));
    play.setAttribute("aria-label", clock.playing ? "Pause (space)" : "Play (space)");
    play.title = clock.playing ? "Pause (space)" : "Play (space)";
    speed.value = String(nearestSpeed(clock.rate));
    repeat.setAttribute("aria-pressed", String(clock.repeating));
    bar.toggleAttribute("data-held", clock.playing && clock.held);
    showTime();
  };
  clock.addEventListener("time", showTime);
  clock.addEventListener("state", showState);
  const showEnd = () => {
    slider.max = String(clock.duration);
    end.textContent = clockText(clock.duration);
    showTime();
  };
  clock.addEventListener("tracks", showEnd);
  showEnd();
  showState();
}

/** @param {number} rate */
function nearestSpeed(rate) {
  return SPEEDS.reduce((best, speed) => (Math.abs(speed - rate) < Math.abs(best - rate) ? speed : best));
}
