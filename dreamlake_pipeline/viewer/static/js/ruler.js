/** The time axis above the rows: ticks, the part that is dragged over is what is shown then, a click is a seek. */

import { digitsOf, formatTime, tickStep } from "./axis.js";
import { cleared, colours } from "./canvas.js";
import { button, element, inNextFrame } from "./dom.js";
import { followWheel } from "./pointer.js";

/** @typedef {import("./axis.js").Axis} Axis */
/** @typedef {import("./clock.js").Clock} Clock */

const HEIGHT = 24;
const TICK = 76; // pixels between two labels, at least
const CLICK = 4; // pixels that a click may be long
const FACTOR = 2;

/**
 * @param {Axis} axis
 * @param {Clock} clock
 * @returns {{element: HTMLElement, lane: HTMLElement}} the row, and the part of it that is as wide as the axis
 */
export function ruler(axis, clock) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const choice = element("div", { class: "ruler-choice", hidden: true });
  const lane = element("div", { class: "lane ruler-lane", title: "Drag to zoom, click to go there, double click to see all" });
  lane.append(canvas, choice);
  const centre = () => (clock.time >= axis.from && clock.time <= axis.to ? clock.time : (axis.from + axis.to) / 2);
  const closer = button("+", "Show less time", () => axis.zoom(FACTOR, centre()), { class: "quiet" });
  const wider = button("−", "Show more time", () => axis.zoom(1 / FACTOR, centre()), { class: "quiet" });
  const all = button("fit", "Fit: show all of the episode", () => axis.fit(), { class: "quiet" });
  const head = element("div", { class: "row-head ruler-head" }, wider, closer, all);

  const draw = inNextFrame(() => {
    wider.disabled = all.disabled = axis.isWhole;
    drawTicks(canvas, axis);
  });
  axis.addEventListener("change", draw);
  colours.addEventListener("change", draw);
  draw();
  followWheel(lane, axis);
  choose(lane, choice, axis, clock);
  return { element: element("div", { class: "row ruler" }, head, lane), lane };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Axis} axis
 */
function drawTicks(canvas, axis) {
  const context = cleared(canvas, axis.width, HEIGHT);
  const step = tickStep((axis.span / axis.width) * TICK);
  const digits = digitsOf(step);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (let number = Math.ceil(axis.from / step - 1e-6); number * step <= axis.to; number++) {
    const x = Math.round(axis.xOf(number * step)) + 0.5;
    context.fillStyle = colours.of("line");
    context.fillRect(x - 0.5, HEIGHT - 7, 1, 7);
    context.fillStyle = colours.of("muted");
    const label = formatTime(number * step, digits);
    if (x + 4 + context.measureText(label).width <= axis.width) context.fillText(label, x + 4, HEIGHT / 2);
  }
}

/**
 * @param {HTMLElement} lane
 * @param {HTMLElement} choice what is drawn over the part that is dragged over
 * @param {Axis} axis
 * @param {Clock} clock
 */
function choose(lane, choice, axis, clock) {
  /** @type {number | null} */
  let start = null;
  const xOf = (/** @type {PointerEvent} */ event) =>
    Math.min(Math.max(event.clientX - lane.getBoundingClientRect().left, 0), axis.width);
  lane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    lane.setPointerCapture(event.pointerId);
    start = xOf(event);
  });
  lane.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const x = xOf(event);
    choice.hidden = Math.abs(x - start) < CLICK;
    choice.style.left = `${Math.min(x, start)}px`;
    choice.style.width = `${Math.abs(x - start)}px`;
  });
  lane.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [from, to] = [Math.min(start, xOf(event)), Math.max(start, xOf(event))];
    if (to - from < CLICK) clock.seek(axis.timeAt(from), "user");
    else axis.show(axis.timeAt(from), axis.timeAt(to));
    start = null;
    choice.hidden = true;
  });
  lane.addEventListener("pointercancel", () => {
    start = null;
    choice.hidden = true;
  });
  lane.addEventListener("dblclick", () => axis.fit());
}
