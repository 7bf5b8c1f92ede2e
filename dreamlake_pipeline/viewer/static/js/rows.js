/** The rows below the cameras: their order, which of them are seen, and the line of the clock over all of them. */

import { element, inNextFrame } from "./dom.js";
import { ruler } from "./ruler.js";
import { colours } from "./canvas.js";

/** @typedef {import("./row.js").Row} Row */
/** @typedef {import("./row.js").Page} Page */

/** Milliseconds between two updates of values beside the rows while the clock runs. */
const TICK = 100;

/**
 * @param {HTMLElement} root
 * @param {Row[]} given in the order in which they are shown at first
 * @param {Page} page
 * @param {Promise<void>} settled rows draw nothing before
 */
export function mountRows(root, given, page, settled) {
  const { axis, clock, store } = page;
  const rows = inOrder(given, store.get("order") ?? []);
  const axisRow = ruler(axis, clock);
  const line = element("div", { class: "now", "aria-hidden": "true" });
  const body = element("div", { class: "rows" }, axisRow.element, line);
  body.append(...rows.map((row) => row.element));
  root.append(body);

  const drawAll = inNextFrame(() => rows.forEach((row) => row.draw()));
  const placeLine = () => {
    const x = axis.xOf(clock.time);
    line.hidden = x < 0 || x > axis.width;
    line.style.transform = `translateX(${axisRow.lane.offsetLeft + x}px)`;
  };
  let ticked = 0;
  const tick = (/** @type {boolean} */ isLate) => {
    placeLine();
    const now = performance.now();
    if (!isLate && now - ticked < TICK) return;
    ticked = now;
    rows.forEach((row) => row.tick(clock.time));
  };
  clock.addEventListener("time", (event) => {
    const { source } = /** @type {CustomEvent<import("./clock.js").TimeDetail>} */ (event).detail;
    axis.reveal(clock.time, source === "clock");
    tick(source !== "clock");
  });
  clock.addEventListener("state", () => tick(true));
  clock.addEventListener("tracks", drawAll);
  axis.addEventListener("change", () => {
    drawAll();
    placeLine();
  });
  colours.addEventListener("change", drawAll);

  const measure = () => axis.setWidth(axisRow.lane.clientWidth);
  new ResizeObserver(measure).observe(axisRow.lane);
  measure();
  const rowOf = new Map(rows.map((row) => [/** @type {Element} */ (row.element), row]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const row = rowOf.get(target);
        if (!row) continue;
        row.isSeen = isIntersecting;
        row.draw();
        row.tick(clock.time);
      }
    },
    { rootMargin: "200px 0px" },
  );
  settled.then(() => rows.forEach((row) => seen.observe(row.element)));
  for (const row of rows) {
    row.onchange = drawAll;
    row.onmove = (move) => moveRow(rows, row, move, store);
  }
  clock.addEventListener("cue", (event) => {
    const { direction } = /** @type {CustomEvent<{direction: 1 | -1}>} */ (event).detail;
    const events = rows.flatMap((row) => row.content?.events?.() ?? []);
    const time = nextEvent(events, clock.time, direction, clock.playing ? JUST_BEFORE : EXACT);
    if (time !== null) clock.seek(time, "user");
  });
  placeLine();
}

/** Seconds by which a time is another one; and those after an event in which a step back goes to the one before it. */
const EXACT = 0.0005;
const JUST_BEFORE = 0.5;

/**
 * The next or the previous of some times; null where there is none.
 * @param {number[]} times
 * @param {number} now
 * @param {1 | -1} direction
 * @param {number} [slack] seconds before now that count as now
 */
export function nextEvent(times, now, direction, slack = EXACT) {
  let found = null;
  for (const time of times) {
    const isBeyond = direction > 0 ? time > now + EXACT : time < now - slack;
    if (isBeyond && (found === null || (direction > 0 ? time < found : time > found))) found = time;
  }
  return found;
}

/**
 * Rows in the order that was chosen, by name; those of which nothing is known come where they would be.
 * @param {Row[]} rows
 * @param {string[]} order
 */
function inOrder(rows, order) {
  const places = new Map(order.map((name, place) => [name, place]));
  const known = rows.filter((row) => places.has(row.track.name));
  known.sort((one, other) => (places.get(one.track.name) ?? 0) - (places.get(other.track.name) ?? 0));
  return rows.map((row) => (places.has(row.track.name) ? /** @type {Row} */ (known.shift()) : row));
}

/**
 * @param {Row[]} rows
 * @param {Row} row
 * @param {{by?: number, y?: number, end?: boolean}} move
 * @param {import("./storage.js").Store} store
 */
function moveRow(rows, row, move, store) {
  const from = rows.indexOf(row);
  let to = from;
  if (move.by) to = Math.min(Math.max(from + move.by, 0), rows.length - 1);
  else if (move.y !== undefined) {
    const y = move.y;
    to = rows.filter((one) => one !== row && middleOf(one.element) < y).length;
  }
  if (to !== from) {
    // The others move around it: an element that is taken out of the page loses the pointer that drags it.
    if (to > from) row.element.before(...rows.slice(from + 1, to + 1).map((one) => one.element));
    else row.element.after(...rows.slice(to, from).map((one) => one.element));
    rows.splice(from, 1);
    rows.splice(to, 0, row);
  }
  if (move.by || move.end) store.set("order", rows.map((one) => one.track.name));
}

/** @param {HTMLElement} part */
function middleOf(part) {
  const { top, height } = part.getBoundingClientRect();
  return top + height / 2;
}
