/** Spans of time with a text each, such as cues and states: a lane of blocks that one clicks. */

import { cleared, colours, firstAbove } from "./canvas.js";
import { element } from "./dom.js";
import { followPointer } from "./pointer.js";

/** @typedef {import("./row.js").Page} Page */

/** @typedef {{start: number, end: number, text: string, count?: number}} Mark
 * Seconds of the episode's clock; `count` is of how many it stands for, where they lie too close to each other. */

const GAP = 3; // pixels above and below a block
const LEAST_TEXT = 18; // pixels of a block that has room for text
const ROOM = 7; // pixels left of a text

export class Marks {
  /** @type {Mark[]} */
  marks = [];
  element;
  #canvas;
  #axis;
  #clock;
  #latest = -1; // which mark was shown last as the one that is now
  /** The longest mark, so that those that reach into a span are found by their start. */
  #longest = 0;
  #height = 0;
  #isColoured;

  /**
   * @param {string} label
   * @param {Page} page
   * @param {boolean} isColoured whether equal texts have a colour of their own
   */
  constructor(label, { axis, clock }, isColoured) {
    this.#axis = axis;
    this.#clock = clock;
    this.#isColoured = isColoured;
    this.#canvas = element("canvas", { role: "img", "aria-label": label });
    this.element = element("div", { class: "lane marks" }, this.#canvas);
    followPointer(this.element, axis, clock, (x) => this.#markAt(axis.timeAt(x))?.start ?? null);
    this.element.addEventListener("pointermove", (event) => {
      const x = event.clientX - this.element.getBoundingClientRect().left;
      this.element.title = this.#markAt(axis.timeAt(x))?.text ?? "";
    });
  }

  /** @param {Mark[]} marks by their start */
  set(marks) {
    this.marks = marks;
    this.#longest = marks.reduce((most, { start, end }) => Math.max(most, end - start), 0);
    this.#latest = -1;
    if (this.#height) this.draw(this.#height);
  }

  /** The mark that is now, or null. @param {number} time */
  at(time) {
    const place = this.placeAt(time);
    return place < 0 ? null : this.marks[place];
  }

  /** The place of the last mark that has begun and not ended; -1 where there is none. @param {number} time */
  placeAt(time) {
    for (let place = this.#firstAfter(time) - 1; place >= 0; place--) {
      const { start, end } = this.marks[place];
      if (time < end || start === end) return time - start <= Math.max(end - start, 0.1) ? place : -1;
      if (time - start > this.#longest) return -1;
    }
    return -1;
  }

  /** Show which mark is now. @param {number} time */
  tick(time) {
    if (this.placeAt(time) !== this.#latest) this.draw(this.#height);
  }

  /** @param {number} height */
  draw(height) {
    this.#height = height;
    const axis = this.#axis;
    const context = cleared(this.#canvas, axis.width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.#latest = this.placeAt(this.#clock.time);
    let edge = -1; // pixel up to which something is drawn
    for (let place = this.#firstAfter(axis.from - this.#longest); place < this.marks.length; place++) {
      const mark = this.marks[place];
      if (mark.start > axis.to) break;
      if (mark.end < axis.from) continue;
      const left = Math.min(Math.max(axis.xOf(mark.start), -2), axis.width - 2);
      const right = Math.min(axis.xOf(mark.end), axis.width + 2);
      const end = Math.max(right, left + 2); // what has no length is a line
      if (end <= edge && right - left < 2) continue; // nothing of it would be seen
      this.#drawMark(context, mark, left, right, place);
      edge = Math.max(edge, Math.ceil(end));
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Mark} mark
   * @param {number} left
   * @param {number} right
   * @param {number} place
   */
  #drawMark(context, mark, left, right, place) {
    const width = Math.max(right - left - 1, 1);
    const isNow = place === this.#latest;
    const colour = this.#isColoured ? colours.line(hash(mark.text)) : colours.of("info");
    context.globalAlpha = isNow ? 0.5 : 0.22;
    context.fillStyle = colour;
    context.fillRect(left, GAP, width, this.#height - 2 * GAP);
    context.globalAlpha = 1;
    context.fillRect(left, GAP, isNow ? 3 : 2, this.#height - 2 * GAP);
    const next = this.marks[place + 1];
    const isPoint = mark.end <= mark.start;
    const room = (isPoint ? Math.min(next ? this.#axis.xOf(next.start) : Infinity, this.#axis.width) - left : width) - ROOM;
    if (room < LEAST_TEXT) return;
    context.save();
    context.beginPath();
    context.rect(left, 0, room + ROOM - 3, this.#height);
    context.clip();
    context.fillStyle = colours.of("text");
    const more = (mark.count ?? 1) > 1 ? ` +${(mark.count ?? 1) - 1}` : "";
    context.fillText(mark.text.replace(/\s+/g, " ").slice(0, 300) + more, left + ROOM, this.#height / 2);
    context.restore();
  }

  /** @param {number} time */
  #markAt(time) {
    const slack = (3 / this.#axis.width) * this.#axis.span; // what has no length is three pixels wide for a pointer
    return this.at(time) ?? this.at(time - slack) ?? this.at(time + slack);
  }

  /** @param {number} time */
  #firstAfter(time) {
    return firstAbove(this.marks.length, (place) => this.marks[place].start, time);
  }
}

/** A number that is the same for equal texts. @param {string} text */
function hash(text) {
  let value = 7;
  for (let place = 0; place < Math.min(text.length, 64); place++) value = (value * 31 + text.charCodeAt(place)) >>> 0;
  return value;
}
