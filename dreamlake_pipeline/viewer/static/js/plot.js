/** A plot of some fields over the time that all rows show; uPlot draws it. */

import { colours } from "./canvas.js";
import { element, fill } from "./dom.js";
import { followPointer } from "./pointer.js";
import { formatNumber } from "./series.js";

/** @typedef {import("./facets.js").Facet} Facet */
/** @typedef {import("./row.js").Page} Page */
/** @typedef {import("./series.js").Series} Series */
/** @typedef {import("../vendor/uplot.mjs").default} UPlot */

/** Times, and the values of each field at them. @typedef {[number[], ...(number | null)[][]]} Columns */

/** @type {Promise<typeof import("../vendor/uplot.mjs").default> | null} */
let library = null;

/** The library, fetched when the first plot needs it. */
export function loadLibrary() {
  library ??= import("../vendor/uplot.mjs").then(({ default: uPlot }) => uPlot);
  return library;
}

const EDGE = 0.06; // of the height, above and below the values

export class Plot {
  element;
  #page;
  #facet;
  #uPlot;
  #top = element("span", { class: "plot-most" });
  #bottom = element("span", { class: "plot-least" });
  #canvas = element("div", { class: "plot-canvas" });
  /** @type {UPlot | null} */
  #chart = null;
  /** @type {Columns} */
  #data = [[]];
  /** From where to where each field has no values, on the clock. @type {[number, number][][]} */
  #gaps = [];

  /**
   * @param {typeof import("../vendor/uplot.mjs").default} uPlot
   * @param {string} name of the track
   * @param {Facet} facet
   * @param {Page} page
   */
  constructor(uPlot, name, facet, page) {
    this.#uPlot = uPlot;
    this.#facet = facet;
    this.#page = page;
    const label = `${facet.fields.join(", ")} of ${name} over time`;
    this.element = element("div", { class: "lane plot", role: "img", "aria-label": label });
    const title = facet.fields.length > 1 ? facet.name : facet.fields[0];
    this.element.append(this.#canvas, element("span", { class: "plot-title" }, title), this.#top, this.#bottom);
    followPointer(this.element, page.axis, page.clock);
    this.#data = [[], ...facet.fields.map(() => [])];
  }

  /**
   * @param {Series} series
   * @param {number} start seconds of the clock at which the track starts
   */
  set(series, start) {
    this.#data = columns(series, this.#facet.fields, start);
    this.#gaps = this.#facet.fields.map((name) =>
      (series.gaps?.[name] ?? []).map(([from, to]) => [from + start, to + start]),
    );
    this.#chart?.setData(this.#data, false);
  }

  /** @param {number} height */
  draw(height) {
    const { axis } = this.#page;
    const chart = (this.#chart ??= this.#make(axis.width, height));
    chart.batch(() => {
      if (chart.width !== axis.width || chart.height !== height) chart.setSize({ width: axis.width, height });
      chart.setScale("x", { min: axis.from, max: axis.to });
    });
    const { min, max } = chart.scales.y;
    const [least, most] = min == null || max == null ? ["", ""] : withoutEdges(min, max).map(formatNumber);
    fill(this.#top, most);
    fill(this.#bottom, least);
  }

  /** Draw in other colours the next time. */
  forget() {
    this.#chart?.destroy();
    this.#chart = null;
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #make(width, height) {
    const lines = this.#facet.fields.map((label, place) => ({
      label,
      stroke: colours.line(place),
      width: 1.25,
      spanGaps: false,
      // Null is no gap where only other fields have a value: the service says which are.
      gaps: (/** @type {UPlot} */ chart) => this.#gaps[place].map((gap) => inPixels(chart, gap)),
      points: { size: 4 },
    }));
    return new this.#uPlot(
      {
        width,
        height,
        padding: [0, 0, 0, 0],
        cursor: { show: false },
        legend: { show: false },
        axes: [{ show: false }, { show: false }],
        scales: { x: { time: false }, y: { range: (_, min, max) => withEdges(min, max) } },
        series: [{}, ...lines],
      },
      this.#data,
      this.#canvas,
    );
  }
}

/**
 * @param {UPlot} chart
 * @param {[number, number]} gap seconds of the clock
 * @returns {[number, number]}
 */
function inPixels(chart, [from, to]) {
  return [Math.round(chart.valToPos(from, "x", true)), Math.round(chart.valToPos(to, "x", true))];
}

/**
 * @param {number | null} min
 * @param {number | null} max
 * @returns {[number, number] | [null, null]}
 */
function withEdges(min, max) {
  if (min == null || max == null) return [null, null];
  const room = max > min ? ((max - min) * EDGE) / (1 - 2 * EDGE) : Math.abs(max) * EDGE || 1;
  return [min - room, max + room];
}

/**
 * The values that `withEdges` has put edges to. What is left of 0 by rounding is 0.
 * @param {number} min
 * @param {number} max
 */
function withoutEdges(min, max) {
  const room = (max - min) * EDGE;
  return [min + room, max - room].map((value) => (Math.abs(value) < room * 1e-9 ? 0 : value));
}

/**
 * What uPlot draws: times of the clock, and the values of each field. Of a bucket, there are two of the same time: the
 * least and the greatest value, which make a line down the bucket.
 * @param {Series} series
 * @param {string[]} fields
 * @param {number} start
 * @returns {Columns}
 */
export function columns({ raw, times, fields: found }, fields, start) {
  if (raw) return [times.map((time) => time + start), ...fields.map((name) => found[name]?.values ?? [])];
  const twice = new Array(2 * times.length);
  for (let at = 0; at < times.length; at++) twice[2 * at] = twice[2 * at + 1] = times[at] + start;
  const lines = fields.map((name) => {
    const { min, max, values } = found[name] ?? {};
    const line = new Array(2 * times.length).fill(null);
    for (let at = 0; at < times.length; at++) {
      line[2 * at] = (min ?? values)?.[at] ?? null;
      line[2 * at + 1] = (max ?? values)?.[at] ?? null;
    }
    return line;
  });
  return [twice, ...lines];
}
