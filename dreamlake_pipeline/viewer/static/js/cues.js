/** The cues of a text track: blocks on the axis, and a list that follows and that one clicks. */

import { getJson } from "./api.js";
import { formatTime } from "./axis.js";
import { button, element, fill } from "./dom.js";
import { LINE, LongList } from "./list.js";
import { Marks } from "./marks.js";

/** @typedef {import("./marks.js").Mark} Mark */
/** @typedef {import("./row.js").Content} Content */
/** @typedef {import("./row.js").Page} Page */
/** @typedef {import("./row.js").Row} Row */
/** @typedef {import("./view.js").Track} Track */

const LANE = 44;
const LIST = 156;

/**
 * @param {Track} track
 * @param {Page} page
 * @param {Row} row
 * @returns {Content}
 */
export function cues(track, page, row) {
  const marks = new Marks(`Cues of ${track.name}`, page, false);
  const now = element("div", { class: "cue-now", "aria-live": "off" });
  const box = element("div", { class: "below", hidden: true });
  const lanes = element("div", {}, marks.element, box);
  /** @type {LongList | null} */
  let list = null;
  /** Of the track's own clock. @type {Mark[]} */
  let found = [];
  const tool = button("list", `List the cues of ${track.name}`, () => {
    box.hidden = !box.hidden;
    tool.setAttribute("aria-expanded", String(!box.hidden));
    measure();
    row.draw();
    tick(page.clock.time);
  }, { class: "quiet", "aria-expanded": "false" });

  const measure = () => {
    content.height = box.hidden ? LANE : LANE + Math.min(LIST, marks.marks.length * LINE + 1);
  };
  const place = () => {
    marks.set(found.map(({ start, end, text }) => ({ start: start + track.startSec, end: end + track.startSec, text })));
    list = cueList(track, marks, page);
    fill(box, list.element);
    measure(); // the list may have been opened before its cues came
    row.draw();
  };
  getJson(/** @type {string} */ (track.cuesUrl)).then(
    (answer) => {
      found = answer.cues.map((/** @type {Mark} */ cue) => ({ ...cue, text: plain(cue.text) }));
      place();
      tick(page.clock.time);
    },
    (fault) => marks.element.append(element("p", { class: "lane-note" }, `No cues: ${fault.message}`)),
  );
  page.clock.addEventListener("tracks", place);

  const tick = (/** @type {number} */ time) => {
    marks.tick(time);
    const present = marks.placeAt(time);
    fill(now, marks.marks[present]?.text ?? "");
    if (!box.hidden) list?.follow(present);
  };
  /** @type {Content} */
  const content = {
    lanes,
    legend: now,
    tools: [tool],
    height: LANE,
    draw(height) {
      marks.draw(box.hidden ? height : LANE);
      box.style.height = `${Math.max(height - LANE, 0)}px`;
      if (!box.hidden) list?.draw();
    },
    tick,
    events: () => marks.marks.map(({ start }) => start),
  };
  return content;
}

/**
 * @param {Track} track
 * @param {Marks} marks
 * @param {Page} page
 */
function cueList(track, marks, { clock }) {
  return new LongList(`Cues of ${track.name}`, marks.marks.length, (place) => {
    const { start, text } = marks.marks[place];
    const go = element(
      "button",
      { type: "button", class: "line", onclick: () => clock.seek(start, "user") },
      element("time", {}, formatTime(start, 2)),
      element("span", {}, text),
    );
    return element("li", {}, go);
  });
}

const TAG = /<[^>]*>/g;
const NAMED = /** @type {Record<string, string>} */ ({ amp: "&", lt: "<", gt: ">", lrm: "", rlm: "", nbsp: " " });

/**
 * The text of a WebVTT cue (W3C WebVTT, 6.4): without its tags, with what its escapes stand for.
 * @param {string} text
 */
export function plain(text) {
  return text.replace(TAG, "").replace(/&(amp|lt|gt|lrm|rlm|nbsp);/g, (_, name) => NAMED[name]);
}
