/** Files of the episode that are still processed: the page says when there are others to be seen. */

import { getJson } from "./api.js";
import { element } from "./dom.js";

/** @typedef {import("./view.js").View} View */

const INTERVAL = 5000; // milliseconds
const UNDER_WAY = ["registered", "queued", "processing"];

/**
 * @param {HTMLElement} badges
 * @param {View} view
 */
export function mountUnderway(badges, view) {
  const left = countLeft(view);
  if (!left) return;
  const pill = element("span", { class: "pill warn", role: "status" }, `${left} processing`);
  badges.append(pill);
  const look = async () => {
    if (!document.hidden) {
      const now = await getJson(`${location.pathname}.json`).catch(() => null);
      if (now && isOther(view, now)) {
        const reload = element("button", { type: "button", class: "pill accent", onclick: () => location.reload() });
        reload.textContent = countLeft(now) ? `${countLeft(now)} processing · show what is ready` : "All processed · show it";
        pill.replaceWith(reload);
        return;
      }
    }
    setTimeout(look, INTERVAL);
  };
  setTimeout(look, INTERVAL);
}

/** @param {View} view */
function countLeft({ counts }) {
  return UNDER_WAY.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
}

/**
 * @param {View} one
 * @param {View} other
 */
function isOther(one, other) {
  return JSON.stringify(Object.entries(one.counts).sort()) !== JSON.stringify(Object.entries(other.counts).sort());
}
