/** How the tracks are aligned: said in the bar at the top, and changed there by who may. */

import { getJson, postJson } from "./api.js";
import { formatTime } from "./axis.js";
import { element, fill, popover } from "./dom.js";

/** @typedef {import("./axis.js").Axis} Axis */
/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./view.js").Track} Track */
/** @typedef {import("./view.js").View} View */

const WORDS = {
  absolute: "by its absolute times",
  creation: "by its creation time, within a second",
  start: "by its start",
  offset: "moved by hand",
};
const MOST = 200; // tracks that are listed

/**
 * @param {HTMLElement} badges
 * @param {View} view
 * @param {Clock} clock
 * @param {Axis} axis
 */
export function mountAlignment(badges, view, clock, axis) {
  const pill = element("span", { class: "pill", "data-alignment": view.alignment.by });
  const say = () => {
    fill(pill, view.alignment.text);
    pill.dataset.alignment = view.alignment.by;
    pill.classList.toggle("accent", view.tracks.some((track) => track.offsetSec));
  };
  say();
  const renew = async () => {
    /** @type {View} */
    const now = await getJson(`${location.pathname}.json`);
    const known = new Map(view.tracks.map((track) => [track.assetId, track]));
    for (const { assetId, startSec, offsetSec, alignedBy } of now.tracks)
      Object.assign(known.get(assetId) ?? {}, { startSec, offsetSec, alignedBy });
    view.alignment = now.alignment;
    view.durationSec = clock.duration = now.durationSec;
    axis.setDuration(now.durationSec);
    clock.tracksChanged();
    say();
  };
  const placed = () => view.tracks.filter((track) => track.alignedBy);
  badges.append(popover(pill, () => offsets(view, placed(), renew), "alignment"));
}

/**
 * @param {View} view
 * @param {Track[]} tracks
 * @param {() => Promise<void>} renew
 */
function offsets(view, tracks, renew) {
  const epoch = view.alignment.epoch;
  const zero = epoch === null ? null : element("p", { class: "muted" }, `0:00 is ${new Date(epoch * 1000).toISOString()}`);
  const said = element("p", { class: "bad", role: "status" });
  const head = element(
    "tr",
    {},
    ...["track", "starts at", "known", "offset, s"].map((name) => element("th", { scope: "col" }, name)),
  );
  const rows = tracks.slice(0, MOST).map((track) => {
    const starts = element("td", { class: "num" });
    const known = element("td", { class: "muted" });
    const show = () => {
      fill(starts, formatTime(track.startSec, 3));
      fill(known, track.video && !track.offsetSec ? "with its video" : WORDS[track.alignedBy ?? "start"]);
    };
    show();
    const name = element("th", { scope: "row", title: track.name }, track.filename);
    const offset = element("td", { class: "num" }, view.canWrite ? entry(track, said, renew) : String(track.offsetSec ?? 0));
    return { row: element("tr", {}, name, starts, known, offset), show };
  });
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows.map(({ row }) => row)));
  table.addEventListener("moved", () => rows.forEach(({ show }) => show()));
  const more = tracks.length > MOST ? element("p", { class: "muted" }, `The first ${MOST} of ${tracks.length} tracks.`) : null;
  const none = tracks.length ? null : element("p", { class: "muted" }, "No file has times yet.");
  return element("div", {}, zero, none, tracks.length ? table : null, more, said);
}

/**
 * A number that a person changes; it is kept by the index, and all that is on the page follows.
 * @param {Track} track
 * @param {HTMLElement} said where faults are told
 * @param {() => Promise<void>} renew
 */
function entry(track, said, renew) {
  const input = element("input", {
    type: "number",
    step: "0.01",
    value: track.offsetSec ?? 0,
    "aria-label": `Offset of ${track.name} in seconds`,
  });
  input.addEventListener("change", async () => {
    const offset = input.value.trim() === "" ? 0 : Number(input.value);
    fill(said);
    input.disabled = true;
    try {
      await postJson("/actions/offset", { assetId: track.assetId, kind: track.recordKind, timeOffsetSec: offset || null });
      await renew();
      input.dispatchEvent(new Event("moved", { bubbles: true }));
    } catch (fault) {
      fill(said, `Not kept: ${/** @type {Error} */ (fault).message}`);
      input.value = String(track.offsetSec ?? 0);
    }
    input.disabled = false;
    input.focus();
  });
  return input;
}
