/** Files that come to the episode, or are processed, while one looks: the page says so, and shows them when one likes. */

import { getJson } from "./api.js";
import { element } from "./dom.js";
import { reloadHere } from "./place.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./view.js").State} State */
/** @typedef {import("./view.js").View} View */

const SOON = 5000; // milliseconds between two looks while something is under way
const LATER = 20_000; // and while nothing is
const UNDER_WAY = ["registered", "queued", "processing"];

/**
 * @param {HTMLElement} badges
 * @param {View} view
 * @param {Clock} clock
 */
export function mountUnderway(badges, view, clock) {
  const pill = element("span", { class: "pill warn", role: "status" });
  /** @param {State} now */
  const show = (now) => {
    const left = countLeft(now);
    pill.hidden = !left;
    pill.textContent = left ? `${left} processing` : "";
    return left;
  };
  let left = show(view.state);
  badges.append(pill);
  const look = async () => {
    if (!document.hidden) {
      const now = await getJson(`${location.pathname}.json?only=state`).catch(() => null);
      if (now && textOf(now) !== textOf(view.state)) {
        left = show(now);
        const reload = element("button", { type: "button", class: "pill accent", onclick: () => reloadHere(clock) });
        reload.textContent = left ? `${left} processing · show what is ready` : "Files have changed · show them";
        if (view.state.files === now.files && !left) reload.textContent = "All processed · show it";
        shown.replaceWith(reload);
        shown = reload;
      }
    }
    setTimeout(look, left ? SOON : LATER);
  };
  /** @type {HTMLElement} */
  let shown = pill;
  setTimeout(look, left ? SOON : LATER);
}

/** @param {State} state */
function countLeft({ statuses }) {
  return UNDER_WAY.reduce((sum, status) => sum + (statuses[status] ?? 0), 0);
}

/** @param {State} state */
function textOf({ files, statuses }) {
  return JSON.stringify([files, Object.entries(statuses).sort()]);
}
