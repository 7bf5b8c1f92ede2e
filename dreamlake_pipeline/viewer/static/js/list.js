/** A long list of which only the lines that can be seen are in the page. */

import { element, fill, inNextFrame } from "./dom.js";

/** Pixels of a line, as in tracks.css. */
export const LINE = 26;
const MORE = 6; // lines beyond those that can be seen

export class LongList {
  element;
  #lines;
  #space;
  #make;
  #length;
  #current = -1;
  /** While a person looks around in it, it does not follow. */
  #isHeld = false;
  #shown = "";

  /**
   * @param {string} label
   * @param {number} length
   * @param {(place: number) => HTMLElement} make a line, which is a list item
   */
  constructor(label, length, make) {
    this.#make = make;
    this.#length = length;
    this.#lines = element("ol", { class: "long-lines", "aria-label": label });
    this.#space = element("div", { class: "long-space" }, this.#lines);
    this.#space.style.height = `${length * LINE}px`;
    this.element = element("div", { class: "long-list", tabindex: 0, role: "group", "aria-label": label }, this.#space);
    this.element.addEventListener("scroll", inNextFrame(() => this.draw()), { passive: true });
    this.element.addEventListener("pointerenter", () => (this.#isHeld = true));
    this.element.addEventListener("pointerleave", () => (this.#isHeld = false));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Mark a line as the present one, and scroll to it. @param {number} place -1: none */
  follow(place) {
    if (place === this.#current) return;
    this.#current = place;
    const { scrollTop, clientHeight } = this.element;
    const top = place * LINE;
    if (place >= 0 && !this.#isHeld && (top < scrollTop || top + LINE > scrollTop + clientHeight))
      this.element.scrollTop = top - clientHeight / 3;
    this.#shown = "";
    this.draw();
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(Math.floor(scrollTop / LINE) - MORE, 0);
    const last = Math.min(Math.ceil((scrollTop + clientHeight) / LINE) + MORE, this.#length);
    if (this.#shown === `${first}-${last}`) return;
    this.#shown = `${first}-${last}`;
    this.#lines.style.transform = `translateY(${first * LINE}px)`;
    const lines = [];
    for (let place = first; place < last; place++) {
      const line = this.#make(place);
      line.setAttribute("aria-setsize", String(this.#length));
      line.setAttribute("aria-posinset", String(place + 1));
      if (place === this.#current) line.setAttribute("aria-current", "true");
      lines.push(line);
    }
    fill(this.#lines, ...lines);
  }
}
