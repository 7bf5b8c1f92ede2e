/** What lies below the cameras and beside them: rows on one time axis, the tree of files, the badges above. */

import { mountAlignment } from "./alignment.js";
import { Axis, followLink } from "./axis.js";
import { cues } from "./cues.js";
import { element } from "./dom.js";
import { labels } from "./labels.js";
import { mountOpinion } from "./opinion.js";
import { Row } from "./row.js";
import { mountRows } from "./rows.js";
import { Store } from "./storage.js";
import { telemetryOf } from "./telemetry.js";
import { mountTree } from "./tree.js";
import { mountUnderway } from "./underway.js";
import { waveform } from "./waveform.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./row.js").Page} Page */
/** @typedef {import("./view.js").Track} Track */
/** @typedef {import("./view.js").View} View */

/** Kinds of rows, from the top. */
const ORDER = ["audio", "label-track", "text-track"];
/** Rows of a kind that are open before anybody has folded some. */
const OPEN = 8;

/**
 * @param {HTMLElement} root
 * @param {View} view
 * @param {Clock} clock
 * @param {Promise<void>} settled before it, rows ask for nothing: the cameras come first
 */
export function mountTracks(root, view, clock, settled) {
  const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (root.querySelector(id));
  const store = new Store(view.namespace, view.project);
  const axis = new Axis(view.durationSec);
  followLink(axis);
  const showPart = () => (clock.part = { from: axis.from, to: axis.to });
  axis.addEventListener("change", showPart);
  showPart();
  const page = { axis, clock, store };
  mountTree(part("#tree"), view, clock, store);
  mountAlignment(part("#badges"), view, clock, axis);
  mountUnderway(part("#badges"), view, clock);
  mountOpinion(part("#flags"), view);
  const measured = view.tracks.map(telemetryOf).filter((track) => track !== null);
  const rows = ORDER.flatMap((kind) => rowsOf(kind, [...view.tracks, ...measured], page));
  if (rows.length) mountRows(part("#tracks"), rows, page, settled);
  else part("#tracks").append(element("p", { class: "muted nothing" }, nothing(view)));
}

/**
 * @param {string} kind
 * @param {Track[]} tracks
 * @param {Page} page
 */
function rowsOf(kind, tracks, page) {
  const shown = tracks.filter((track) => track.kind === kind && track.playable && hasRow(track));
  return shown.map((track, place) => {
    const row = new Row(track, subtitle(track), page, contentOf);
    if (place >= OPEN && page.store.of("folded", track.name) === undefined) row.fold(true, false);
    return row;
  });
}

/** @param {Track} track */
function hasRow({ kind, waveform: peaks }) {
  return kind !== "audio" || Boolean(peaks);
}

/**
 * @param {Track} track
 * @param {Page} page
 * @param {Row} row
 * @returns {import("./row.js").Content}
 */
function contentOf(track, page, row) {
  if (track.kind === "audio") return waveform(track, page, row);
  return track.kind === "text-track" ? cues(track, page, row) : labels(track, page, row);
}

/** @param {Track} track */
function subtitle(track) {
  if (track.kind === "audio") return track.lufs == null ? "" : `${track.lufs.toFixed(1)} LUFS`;
  if (track.kind === "label-track") return counted(track.entries, "row");
  return [track.language, counted(track.cues, "cue")].filter(Boolean).join(" · ");
}

/**
 * @param {number | null | undefined} number
 * @param {string} one
 */
function counted(number, one) {
  return `${(number ?? 0).toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
}

/** Why there are no rows. @param {View} view */
function nothing({ tracks, counts }) {
  if (!tracks.length) return "The episode has no files yet.";
  const waiting = (counts.registered ?? 0) + (counts.queued ?? 0) + (counts.processing ?? 0);
  if (waiting) return `Nothing to show on the time axis yet: ${waiting} ${waiting === 1 ? "file is" : "files are"} being processed.`;
  if (counts.failed === tracks.length) return "All files failed: the tree says why.";
  return "No sound, labels or subtitles lie beside the cameras.";
}
