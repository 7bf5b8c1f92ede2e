/** A label track as a row: plots of its numbers, marks of its texts, and a table of its entries. */

import { colours } from "./canvas.js";
import { button, element, fill } from "./dom.js";
import { curvesOf, facetsOf, firstFields, isList } from "./facets.js";
import { Marks } from "./marks.js";
import { picker } from "./picker.js";
import { loadLibrary, Plot } from "./plot.js";
import { formatNumber, SeriesLoader, valueAt } from "./series.js";
import { EntryTable } from "./table.js";

/** @typedef {import("./facets.js").Facet} Facet */
/** @typedef {import("./row.js").Content} Content */
/** @typedef {import("./row.js").Page} Page */
/** @typedef {import("./row.js").Row} Row */
/** @typedef {import("./series.js").Series} Series */
/** @typedef {import("./view.js").Track} Track */

const PLOT = 78; // pixels
const LANE = 26;
const ALONE = 44; // of one lane without a plot
const LEAST = 30;
const TABLE = 190;

/**
 * @param {Track} track
 * @param {Page} page
 * @param {Row} row
 * @returns {Content}
 */
export function labels(track, page, row) {
  const drawn = new Labels(track, page, row);
  return drawn.content;
}

class Labels {
  #track;
  #page;
  #row;
  #loader;
  /** @type {Plot[]} */
  #plots = [];
  /** @type {Map<string, Marks>} */
  #marks = new Map();
  #lanes = element("div", {});
  #note = element("p", { class: "lane-note", hidden: true });
  #below = element("div", { class: "below", hidden: true });
  #legend = element("ul", { class: "values" });
  /** @type {Map<string, HTMLElement>} */
  #values = new Map();
  /** @type {typeof import("../vendor/uplot.mjs").default | null} */
  #uPlot = null;
  /** @type {EntryTable | null} */
  #table = null;
  /** Whether the loader knows which fields are chosen. */
  #hasAsked = false;
  /** @type {string[]} */
  #chosen;
  #picker;
  /** @type {Content} */
  content;

  /**
   * @param {Track} track
   * @param {Page} page
   * @param {Row} row
   */
  constructor(track, page, row) {
    this.#track = track;
    this.#page = page;
    this.#row = row;
    this.#chosen = this.#kept() ?? firstFields(track);
    this.#loader = new SeriesLoader(track, page.axis, (fault) => this.#loaded(fault));
    this.#picker = picker(track, () => this.#chosen, (fields) => this.#choose(fields));
    const table = button("table", `Table of the entries of ${track.name}`, () => this.#showTable(table), {
      class: "quiet",
      "aria-expanded": "false",
    });
    this.content = {
      lanes: element("div", { "data-plot": track.name }, this.#note, this.#lanes, this.#below),
      legend: this.#legend,
      tools: [...(track.series ? [this.#picker.element] : []), ...(track.rows ? [table] : [])],
      height: PLOT,
      draw: (height) => this.#draw(height),
      tick: (time) => this.#tick(time),
      events: () =>
        Object.values(this.#loader.allMarks).flatMap((marks) => marks.map(({ start }) => start + track.startSec)),
    };
    page.clock.addEventListener("tracks", () => this.#place());
    colours.addEventListener("change", () => this.#plots.forEach((plot) => plot.forget()));
    if (!track.series) this.#say("It has no time: see its table.");
    else
      loadLibrary().then(
        (uPlot) => {
          this.#uPlot = uPlot;
          this.#arrange();
          this.#ask();
        },
        () => this.#say("uPlot is not installed here: run make setup."),
      );
  }

  /** What a person chose for this name, in this episode or in another one, as far as the file has these fields. */
  #kept() {
    const { fields = [], fieldsTotal, name } = this.#track;
    const kept = this.#page.store.of("fields", name);
    if (!kept || (fieldsTotal ?? 0) > fields.length) return kept;
    const names = new Set(fields.map((field) => field.name));
    const found = kept.filter((field) => names.has(field));
    return found.length || !kept.length ? found : undefined;
  }

  /** @param {string[]} fields */
  #choose(fields) {
    this.#chosen = fields;
    this.#page.store.setOf("fields", this.#track.name, fields);
    this.#arrange();
    this.#ask();
  }

  #ask() {
    this.#hasAsked = this.#chosen.length > 0;
    if (this.#hasAsked) this.#loader.choose(this.#chosen);
    else this.#say("No field is chosen.");
  }

  /** A plot for each facet, a lane for each field of texts. */
  #arrange() {
    const uPlot = this.#uPlot;
    if (!uPlot) return;
    const texts = new Set(this.#textFields());
    const curves = this.#chosen.filter((name) => !texts.has(name));
    const facets = facetsOf(curvesOf(curves, Object.keys(this.#loader.series?.fields ?? {})));
    this.#plots.forEach((plot) => plot.forget());
    this.#plots = facets.map((facet) => new Plot(uPlot, this.#track.name, facet, this.#page));
    this.#marks = new Map(
      this.#chosen
        .filter((name) => texts.has(name))
        .map((name) => [name, new Marks(`${name} of ${this.#track.name}`, this.#page, true)]),
    );
    fill(this.#lanes, ...this.#plots.map((plot) => plot.element), ...[...this.#marks.values()].map((lane) => lane.element));
    this.#fillLegend(facets);
    this.content.height = this.#height();
    this.#place();
  }

  #textFields() {
    const known = (this.#track.fields ?? []).filter(({ type }) => /^(bool|string)/.test(type)).map(({ name }) => name);
    return [...known, ...Object.keys(this.#loader.series?.marks ?? {})];
  }

  #height() {
    const lanes = Math.max(this.#plots.length * PLOT + this.#marks.size * LANE, ALONE);
    return lanes + (this.#below.hidden ? 0 : TABLE);
  }

  /** @param {Facet[]} facets */
  #fillLegend(facets) {
    const units = new Map((this.#track.fields ?? []).map(({ name, unit }) => [name, unit]));
    const line = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string | null} */ colour) => {
      const value = element("span", { class: "value" });
      this.#values.set(name, value);
      const swatch = element("i", { class: "swatch" });
      if (colour) swatch.style.background = colour;
      const unit = units.get(name);
      return element("li", { title: name }, swatch, element("span", { class: "field" }, label), value, unit && ` ${unit}`);
    };
    this.#values.clear();
    const curves = facets.flatMap((facet) => {
      const isShort = facet.fields.length > 1 && /[._/:\s-]/.test(facet.fields[0].charAt(facet.name.length));
      const title = isShort ? [element("li", { class: "facet", title: facet.name }, facet.name)] : [];
      const label = (/** @type {string} */ name) => (isShort ? name.slice(facet.name.length + 1) : name);
      return [...title, ...facet.fields.map((name, place) => line(name, label(name), colours.line(place)))];
    });
    fill(this.#legend, ...curves, ...[...this.#marks.keys()].map((name) => line(name, name, null)));
  }

  /** @param {Error | null} fault */
  #loaded(fault) {
    if (fault) {
      this.#say(fault.message);
      return;
    }
    this.#note.hidden = true;
    const lists = new Set((this.#track.fields ?? []).filter(isList).map(({ name }) => name));
    const isNew = this.#chosen.some((name) => lists.has(name) && this.#values.has(name));
    if (isNew) this.#arrange();
    else this.#place();
  }

  /** Put the values that are there where they belong. */
  #place() {
    const { series } = this.#loader;
    const start = this.#track.startSec;
    if (series) {
      for (const plot of this.#plots) plot.set(series, start);
      for (const [name, lane] of this.#marks)
        lane.set((series.marks?.[name] ?? []).map((mark) => ({ ...mark, start: mark.start + start, end: mark.end + start })));
    }
    this.#row.draw();
    this.#tick(this.#page.clock.time);
  }

  /** @param {number} height */
  #draw(height) {
    if (this.#hasAsked) this.#loader.update();
    const isOpen = !this.#below.hidden;
    const room = height - (isOpen ? TABLE : 0);
    const lane = this.#plots.length ? LANE : Math.max(Math.floor(room / this.#marks.size), LANE);
    const free = room - this.#marks.size * lane;
    for (const plot of this.#plots) plot.draw(Math.max(Math.floor(free / this.#plots.length), LEAST));
    for (const marks of this.#marks.values()) marks.draw(lane);
    this.#below.style.height = `${TABLE}px`;
  }

  /** @param {number} time */
  #tick(time) {
    const { series } = this.#loader;
    const since = time - this.#track.startSec;
    for (const lane of this.#marks.values()) lane.tick(time);
    if (!this.#below.hidden) this.#table?.follow(since);
    if (!series) return;
    const isWithin = since >= 0 && since <= (this.#track.durationSec ?? 0);
    const now = isWithin ? this.#loader.at(since) : null;
    for (const [name, value] of this.#values) {
      const lane = this.#marks.get(name);
      const found = lane || !now ? null : valueAt(now.series, name, now.at);
      fill(value, lane ? (lane.at(time)?.text ?? "") : found ? about(found) : "–");
    }
  }

  /** @param {HTMLElement} tool */
  #showTable(tool) {
    this.#below.hidden = !this.#below.hidden;
    tool.setAttribute("aria-expanded", String(!this.#below.hidden));
    if (!this.#table) {
      this.#table = new EntryTable(this.#track, this.#page.clock, () => this.#chosen);
      fill(this.#below, this.#table.element);
    }
    this.content.height = this.#height();
    this.#row.draw();
    this.#tick(this.#page.clock.time);
  }

  /** @param {string} text */
  #say(text) {
    fill(this.#note, text);
    this.#note.hidden = false;
  }
}

/** A value, or about what it is where only its bounds are known. @param {[number, number]} bounds */
function about([low, high]) {
  return low === high ? formatNumber(low) : `≈ ${formatNumber((low + high) / 2)}`;
}
