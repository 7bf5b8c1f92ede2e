/** The entries of a label track around the time of the clock, as a table. */

import { getJson, isAbort } from "./api.js";
import { formatTime } from "./axis.js";
import { firstAbove } from "./canvas.js";
import { element, fill } from "./dom.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./view.js").Track} Track */

/** @typedef {{fields: string[], rows: unknown[][], times?: (number | null)[] | null, first: number}} Entries */

const ROWS = 50;
const COLUMNS = 40;
const CHARS = 80;
const REST = 400; // milliseconds between two questions while the clock runs

export class EntryTable {
  element;
  #track;
  #clock;
  #chosen;
  #body = element("tbody", {});
  #note = element("p", { class: "lane-note", hidden: true });
  #head = element("thead", {});
  /** @type {Entries | null} */
  #entries = null;
  /** @type {AbortController | null} */
  #asking = null;
  #current = -1;
  #askedAt = -Infinity;
  #timer = 0;

  /**
   * @param {Track} track
   * @param {Clock} clock
   * @param {() => string[]} chosen fields that are drawn, which come first
   */
  constructor(track, clock, chosen) {
    this.#track = track;
    this.#clock = clock;
    this.#chosen = chosen;
    const table = element("table", { "aria-label": `Entries of ${track.name}` }, this.#head, this.#body);
    this.element = element("div", { class: "entries", tabindex: 0, role: "group", "aria-label": `Table of ${track.name}` });
    this.element.append(this.#note, table);
    if (!track.series) this.#ask(`first=0&limit=${ROWS}`);
  }

  /** Show the entries around a time. @param {number} since seconds since the first time of the track */
  follow(since) {
    if (!this.#track.series) return;
    const times = this.#entries?.times ?? [];
    const at = firstAbove(times.length, (place) => times[place] ?? Infinity, since) - 1;
    const isInside = times.length > 0 && (at >= 0 || this.#entries?.first === 0) && (at < times.length - 1 || times.length < ROWS);
    if (!isInside) this.#askSoon(since);
    if (at !== this.#current) this.#mark(at);
  }

  /** @param {number} since */
  #askSoon(since) {
    clearTimeout(this.#timer);
    const wait = Math.max(this.#askedAt + REST - performance.now(), 0);
    this.#timer = window.setTimeout(() => {
      this.#askedAt = performance.now();
      const at = Math.min(Math.max(since, 0), this.#track.durationSec ?? 0);
      this.#ask(`at=${Number(at.toFixed(6))}&limit=${ROWS}`);
    }, wait);
  }

  /** @param {string} query */
  async #ask(query) {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const columns = this.#columns().map((name) => `&fields=${encodeURIComponent(name)}`);
    try {
      const entries = /** @type {Entries} */ (
        await getJson(`${this.#track.rows}?${query}${columns.join("")}`, asking.signal)
      );
      if (asking === this.#asking) this.#show(entries);
    } catch (fault) {
      if (isAbort(fault)) return;
      fill(this.#note, `No entries: ${/** @type {Error} */ (fault).message}`);
      this.#note.hidden = false;
    }
  }

  /** Columns that are shown: first those that are drawn, then the others as far as there is room. */
  #columns() {
    const names = (this.#track.fields ?? []).map(({ name }) => name);
    const drawn = this.#track.series ? this.#chosen() : [];
    return [...new Set([...drawn, ...names])].slice(0, COLUMNS);
  }

  /** @param {Entries} entries */
  #show(entries) {
    this.#entries = entries;
    const { fields, rows, times, first } = entries;
    const total = this.#track.fieldsTotal ?? fields.length;
    this.#note.hidden = fields.length >= total;
    fill(this.#note, `${fields.length} of ${total} fields.`);
    const heads = ["#", ...(this.#track.series ? ["clock"] : []), ...fields];
    fill(this.#head, element("tr", {}, ...heads.map((name) => element("th", { scope: "col", title: name }, name))));
    const start = this.#track.startSec;
    fill(
      this.#body,
      ...rows.map((row, place) => {
        const time = times?.[place] ?? null;
        const go = time === null ? formatTime(0) : formatTime(time + start, 3);
        const goTo = () => time !== null && this.#clock.seek(time + start, "user");
        const cells = row.map((cell) => element("td", {}, cellText(cell)));
        const when = this.#track.series
          ? element("td", {}, time === null ? "–" : element("button", { type: "button", class: "line", onclick: goTo }, go))
          : null;
        return element("tr", {}, element("td", { class: "muted" }, first + place + 1), when, ...cells);
      }),
    );
    this.#current = -1;
    this.follow(this.#clock.time - start);
  }

  /** @param {number} at place among the rows that are shown */
  #mark(at) {
    this.#body.children[this.#current]?.removeAttribute("aria-current");
    this.#current = at;
    const row = /** @type {HTMLElement | undefined} */ (this.#body.children[at]);
    if (!row) return;
    row.setAttribute("aria-current", "true");
    const { scrollTop, clientHeight } = this.element;
    const isSeen = row.offsetTop >= scrollTop + 24 && row.offsetTop + row.offsetHeight <= scrollTop + clientHeight;
    if (!isSeen && !this.element.matches(":hover")) this.element.scrollTop = row.offsetTop - clientHeight / 2;
  }
}

/** @param {unknown} value */
function cellText(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > CHARS ? `${text.slice(0, CHARS)}…` : text;
}
