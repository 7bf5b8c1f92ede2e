/** What the keys do. {@link showHelp} lists them. */

import { SPEEDS } from "./clock.js";
import { stepFrames } from "./frames.js";
import { showHelp } from "./help.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./view.js").View} View */

/**
 * @param {View} view
 * @param {Clock} clock
 */
export function mountKeys(view, clock) {
  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const actions = {
    " ": () => clock.toggle(),
    ArrowLeft: ({ shiftKey }) => clock.seek(clock.time - (shiftKey ? 1 : 0.1)),
    ArrowRight: ({ shiftKey }) => clock.seek(clock.time + (shiftKey ? 1 : 0.1)),
    ",": () => stepFrames(view, clock, -1),
    ".": () => stepFrames(view, clock, 1),
    Home: () => clock.seek(0),
    End: () => clock.seek(clock.duration),
    l: () => clock.toggleRepeating(),
    n: () => clock.askForCue(1),
    p: () => clock.askForCue(-1),
    "[": () => followLink("prev"),
    "]": () => followLink("next"),
    "+": () => changeSpeed(clock, 1),
    "=": () => changeSpeed(clock, 1),
    "-": () => changeSpeed(clock, -1),
    "?": showHelp,
  };
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || isTaken(event)) return;
    event.preventDefault();
    action(event);
  });
}

/**
 * Whether the element that has the focus uses the key itself: what is typed into, and what space or arrows work.
 * @param {KeyboardEvent} event
 */
function isTaken({ target, key }) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("dialog")) return key !== "?";
  if (target instanceof HTMLInputElement && target.type === "range") return !target.classList.contains("slider");
  if (target.isContentEditable || target.matches("input, textarea, select")) return true;
  return key === " " && target.closest("button, a, summary") !== null;
}

/**
 * To the episode before or behind, which the page has a link to if there is one.
 * @param {"prev" | "next"} relation
 */
function followLink(relation) {
  const link = /** @type {HTMLAnchorElement | null} */ (document.querySelector(`a[rel="${relation}"]`));
  link?.click();
}

/**
 * @param {Clock} clock
 * @param {1 | -1} direction
 */
function changeSpeed(clock, direction) {
  const faster = SPEEDS.find((speed) => speed > clock.rate + 0.001);
  const slower = SPEEDS.findLast((speed) => speed < clock.rate - 0.001);
  clock.setRate((direction > 0 ? faster : slower) ?? clock.rate);
}
