/** Drawing on canvases in the colours of the page, sharp on every screen. */

/** Events: `change`, when the system turned dark or light. */
class Colours extends EventTarget {
  /** @type {Map<string, string>} */
  #known = new Map();

  constructor() {
    super();
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
      this.#known.clear();
      this.dispatchEvent(new Event("change"));
    });
  }

  /** @param {string} name of a custom property of base.css, without its dashes */
  of(name) {
    let colour = this.#known.get(name);
    if (colour === undefined) {
      colour = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
      this.#known.set(name, colour);
    }
    return colour;
  }

  /** The colour of one of several lines. @param {number} number from 0 */
  line(number) {
    return this.of(`plot-${(number % 8) + 1}`);
  }
}

export const colours = new Colours();

/**
 * A canvas that is cleared and ready to be drawn on in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function cleared(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * The place of the first item whose value is above a bound; the items' values ascend.
 * @param {number} length
 * @param {(place: number) => number} valueAt
 * @param {number} bound
 */
export function firstAbove(length, valueAt, bound) {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (valueAt(middle) > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
