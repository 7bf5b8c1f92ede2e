/** Loading the page anew without losing one's place: the address has the time and the zoom, this keeps the rest. */

import { writeLinkNow } from "./deeplink.js";

/** @typedef {import("./clock.js").Clock} Clock */

/** @typedef {{path: string, playing: boolean, scrolled: Record<string, number>}} Place */

const KEPT = "dreamlake-place";
const SCROLLED = ["#tree", ".stage", "#cameras", "#tracks"];

/** Load the page anew, and go on there. @param {Clock} clock */
export function reloadHere(clock) {
  const scrolled = Object.fromEntries(SCROLLED.map((part) => [part, document.querySelector(part)?.scrollTop ?? 0]));
  /** @type {Place} */
  const place = { path: location.pathname, playing: clock.playing, scrolled };
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(place));
  } catch {
    // A browser that keeps nothing loses how far one had scrolled.
  }
  clock.pause();
  writeLinkNow();
  location.reload();
}

/** Go on where the page was before it was loaded anew. @param {Clock} clock */
export function goOn(clock) {
  const place = take();
  if (place?.path !== location.pathname) return;
  requestAnimationFrame(() => {
    for (const [part, top] of Object.entries(place.scrolled)) document.querySelector(part)?.scrollTo({ top });
  });
  if (place.playing) clock.play();
}

/** @returns {Place | null} */
function take() {
  try {
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    return kept && JSON.parse(kept);
  } catch {
    return null;
  }
}
