/** The signs on buttons: paths of SVG, since fonts have too few signs of a player. */

const NAMESPACE = "http://www.w3.org/2000/svg";

/** In a square of 16 by 16. */
const PATHS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  back: "M11.5 3v10L5.5 8zM3.5 3H5v10H3.5z",
  on: "M4.5 3v10l6-5zM11 3h1.5v10H11z",
  sound: "M2 6v4h2.5L8 13V3L4.5 6zM10 5.2a3.6 3.6 0 0 1 0 5.6M11.6 3a6.4 6.4 0 0 1 0 10",
  silence: "M2 6v4h2.5L8 13V3L4.5 6zM10.5 6l4 4M14.5 6l-4 4",
  repeat: "M3 7.5V6a2 2 0 0 1 2-2h8M11 2l2 2-2 2M13 8.5V10a2 2 0 0 1-2 2H3M5 14l-2-2 2-2",
  full: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
};

/** @typedef {keyof typeof PATHS} IconName */

/** Those that are lines and no areas. @type {Set<IconName>} */
const LINES = new Set(["sound", "silence", "full", "repeat"]);

/**
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("width", "14");
  svg.setAttribute("height", "14");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[name]);
  path.setAttribute("fill", LINES.has(name) ? "none" : "currentColor");
  if (LINES.has(name)) {
    path.setAttribute("stroke", "currentColor");
    path.setAttribute("stroke-width", "1.4");
  }
  svg.append(path);
  return svg;
}
