/** One track as a row: its name and what is said of it on the left, its lanes on the time axis on the right. */

import { button, element, fill } from "./dom.js";
import { followDrag } from "./pointer.js";

/** @typedef {import("./axis.js").Axis} Axis */
/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./storage.js").Store} Store */
/** @typedef {import("./view.js").Track} Track */

/**
 * What a row needs of the page.
 * @typedef {object} Page
 * @property {Axis} axis
 * @property {Clock} clock
 * @property {Store} store
 */

/**
 * What a row shows of its track. It is asked to draw only while it can be seen.
 * @typedef {object} Content
 * @property {HTMLElement} lanes
 * @property {HTMLElement | null} [legend] below the name
 * @property {HTMLElement[]} [tools] beside the name
 * @property {number} height pixels of the lanes, unless a person chose another
 * @property {(height: number) => void} draw
 * @property {(time: number) => void} [tick] the clock moved
 * @property {() => number[]} [events] times that `n` and `p` go to, in ascending order
 */

const LOWEST = 20;
const HIGHEST = 600;
const KEY_STEP = 16;

export class Row {
  element;
  isFolded = false;
  /** Whether it is on the screen, or nearly. */
  isSeen = false;
  /** Called when a person folded it, or gave it another height. */
  onchange = () => {};
  /** Called with 1 or -1 when a person moves it down or up by a key, and with a place on the screen by a drag. */
  onmove = (/** @type {{by?: number, y?: number, end?: boolean}} */ _move) => {};
  /** @type {Content | null} */
  #content = null;
  #make;
  #store;
  #lanes;
  #legend;
  #tools;
  #sub;
  #fold;
  #edge;
  /** @type {number | undefined} */
  #height;

  /**
   * @param {Track} track
   * @param {string} sub a few words about it
   * @param {Page} page
   * @param {(track: Track, page: Page, row: Row) => Content} make its content, when it is seen for the first time
   */
  constructor(track, sub, page, make) {
    this.track = track;
    this.#make = () => make(track, page, this);
    this.#store = page.store;
    this.#height = page.store.of("heights", track.name);
    this.#lanes = element("div", { class: "lanes" });
    this.#legend = element("div", { class: "legend" });
    this.#tools = element("span", { class: "row-tools" });
    this.#sub = element("span", { class: "row-sub" }, sub);
    this.#fold = button("", "", () => this.fold(!this.isFolded, true), { class: "quiet fold" });
    const grip = button("⠿", `Move ${track.name}: drag it, or press ↑ or ↓`, () => {}, { class: "quiet grip" });
    const name = element("a", { href: track.file, class: "row-name", title: track.name }, track.filename ?? track.name);
    const top = element("div", { class: "row-top" }, this.#fold, name, grip);
    const second = element("div", { class: "row-second" }, this.#sub, this.#tools);
    this.#edge = this.#makeEdge();
    this.element = element(
      "section",
      { class: "row", "aria-label": track.name, "data-name": track.name, "data-kind": track.kind },
      element("div", { class: "row-head" }, top, second, this.#legend),
      element("div", { class: "row-body" }, this.#lanes, this.#edge),
    );
    this.#followGrip(grip);
    this.fold(page.store.of("folded", track.name) ?? false, false);
  }

  get height() {
    return this.#height ?? this.#content?.height ?? 48;
  }

  get content() {
    return this.isFolded ? null : this.#content;
  }

  /** @param {string} text */
  say(text) {
    fill(this.#sub, text);
  }

  /**
   * @param {boolean} isFolded
   * @param {boolean} byPerson it is remembered then
   */
  fold(isFolded, byPerson) {
    this.isFolded = isFolded;
    this.element.toggleAttribute("data-folded", isFolded);
    fill(this.#fold, isFolded ? "▸" : "▾");
    const words = `${isFolded ? "Show" : "Fold"} ${this.track.name}`;
    this.#fold.title = words;
    this.#fold.setAttribute("aria-label", words);
    this.#fold.setAttribute("aria-expanded", String(!isFolded));
    if (byPerson) this.#store.setOf("folded", this.track.name, isFolded);
    this.onchange();
  }

  /** Draw what it shows, if it can be seen. */
  draw() {
    if (this.isFolded || !this.isSeen) return;
    const content = this.#made();
    this.#lanes.style.height = `${this.height}px`;
    this.#edge.setAttribute("aria-valuenow", String(this.height));
    content.draw(this.height);
  }

  /** Its content, which also says how high it is by itself. */
  #made() {
    if (!this.#content) {
      this.#content = this.#make();
      fill(this.#legend, this.#content.legend);
      fill(this.#tools, ...(this.#content.tools ?? []));
      fill(this.#lanes, this.#content.lanes);
    }
    return this.#content;
  }

  /** @param {number} time */
  tick(time) {
    if (this.isSeen) this.content?.tick?.(time);
  }

  /** The line at its foot by which it is made higher or lower. */
  #makeEdge() {
    const edge = element("div", {
      class: "row-edge",
      role: "separator",
      tabindex: 0,
      title: "Drag to make the row higher or lower",
      "aria-orientation": "horizontal",
      "aria-label": `Height of ${this.track.name}`,
      "aria-valuemin": LOWEST,
      "aria-valuemax": HIGHEST,
      "aria-valuenow": this.height,
    });
    let before = 0;
    const resize = (/** @type {number} */ height) => {
      this.#height = Math.round(Math.min(Math.max(height, LOWEST), HIGHEST));
      this.draw();
      this.onchange();
    };
    const keep = () => this.#store.setOf("heights", this.track.name, this.height);
    // Who is quicker than the first drawing begins at the height that it will have.
    followDrag(edge, {
      start: () => {
        this.#made();
        before = this.height;
      },
      move: (pixels) => resize(before + pixels),
      end: keep,
    });
    edge.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -KEY_STEP, ArrowDown: KEY_STEP }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.#made();
      resize(this.height + by);
      keep();
    });
    return edge;
  }

  /** @param {HTMLElement} grip */
  #followGrip(grip) {
    followDrag(grip, {
      start: () => this.element.setAttribute("data-moving", ""),
      move: (_, event) => this.onmove({ y: event.clientY }),
      end: () => {
        this.element.removeAttribute("data-moving");
        this.onmove({ end: true });
      },
    });
    grip.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.onmove({ by });
      grip.focus();
    });
  }
}
