/** The files of the episode as a tree, on the left. */

import { button, element, fill } from "./dom.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./storage.js").Store} Store */
/** @typedef {import("./view.js").Track} Track */
/** @typedef {import("./view.js").View} View */

/** @typedef {{folders: Map<string, Folder>, files: Track[]}} Folder */

const MANY = 300; // files, beyond which folders are closed at first
const SIGNS = { video: "▣", audio: "♪", "label-track": "∿", "text-track": "❝" };
const WORDS = { video: "video", audio: "audio", "label-track": "labels", "text-track": "text" };

/**
 * @param {HTMLElement} nav
 * @param {View} view
 * @param {Clock} clock
 * @param {Store} store
 */
export function mountTree(nav, view, clock, store) {
  const body = element("div", { class: "tree-body" });
  const fold = button("", "", () => show(!isFolded, true), { class: "quiet tree-fold" });
  const isNarrow = matchMedia("(max-width: 640px)").matches;
  let isFolded = false;
  const show = (/** @type {boolean} */ folded, /** @type {boolean} */ byPerson) => {
    isFolded = folded;
    nav.toggleAttribute("data-folded", folded);
    body.hidden = folded;
    const words = folded ? "Show the files" : "Fold the files away";
    fill(fold, element("span", { "aria-hidden": "true" }, folded ? "»" : "«"), isFolded && isNarrow ? " files" : "");
    fold.title = words;
    fold.setAttribute("aria-label", words);
    fold.setAttribute("aria-expanded", String(!folded));
    if (byPerson) store.set("tree", folded);
  };
  show(store.get("tree") ?? isNarrow, false);
  const count = view.tracks.length + view.moreFiles;
  const title = element("span", { class: "muted" }, `${count.toLocaleString("en")} ${count === 1 ? "file" : "files"}`);
  const list = folder(grown(view.tracks), clock, view.tracks.length <= MANY);
  const more = view.moreFiles
    ? element("p", { class: "muted tree-more" }, `${view.moreFiles.toLocaleString("en")} more files are not shown here.`)
    : null;
  fill(body, element("div", { class: "tree-title" }, title), list, more);
  nav.append(fold, body);
}

/** @param {Track[]} tracks */
function grown(tracks) {
  /** @type {Folder} */
  const root = { folders: new Map(), files: [] };
  for (const track of tracks) {
    let at = root;
    for (const name of track.folder.split("/").filter(Boolean)) {
      const next = at.folders.get(name) ?? { folders: new Map(), files: [] };
      at.folders.set(name, next);
      at = next;
    }
    at.files.push(track);
  }
  return root;
}

/**
 * @param {Folder} parent
 * @param {Clock} clock
 * @param {boolean} isOpen
 * @returns {HTMLElement}
 */
function folder(parent, clock, isOpen) {
  const list = element("ul", {});
  for (const [name, child] of parent.folders) {
    const box = element("details", { open: isOpen || null }, element("summary", { title: name }, name));
    // What is closed at first is made when it is opened: an episode may have thousands of files.
    if (isOpen) box.append(folder(child, clock, isOpen));
    else box.addEventListener("toggle", () => box.append(folder(child, clock, true)), { once: true });
    list.append(element("li", {}, box));
  }
  for (const track of parent.files) list.append(file(track, clock));
  return list;
}

/**
 * @param {Track} track
 * @param {Clock} clock
 */
function file(track, clock) {
  const sign = element("span", { class: "sign", "aria-hidden": "true" }, SIGNS[track.kind]);
  const link = element("a", { href: track.file, title: track.name }, sign, track.filename);
  const item = element("li", { class: "file", "data-status": track.status, "data-name": track.name }, link);
  if (track.error) {
    item.classList.add(track.playable ? "warned" : "failed");
    item.append(reason(track, track.error));
  } else if (!track.playable) item.append(element("span", { class: "muted state" }, track.status));
  else if (track.partial) item.append(element("span", { class: "warn state", title: track.warnings?.join("\n") }, "partial"));
  else if (track.warnings?.length) item.append(element("span", { class: "warn state", title: track.warnings.join("\n") }, "!"));
  if (track.playable && track.kind === "video") item.append(eye(track, clock));
  link.setAttribute("aria-label", `${track.filename}, ${WORDS[track.kind]}, ${track.status}`);
  return item;
}

/**
 * @param {Track} track
 * @param {NonNullable<Track["error"]>} error
 */
function reason(track, { message, hint }) {
  return element(
    "div",
    { class: "reason" },
    element("p", {}, track.playable ? `Its last processing failed: ${message}` : message),
    hint ? element("p", { class: "muted" }, hint) : null,
    track.run ? element("a", { href: track.run, class: "link", rel: "noreferrer" }, "run in Dagster") : null,
  );
}

/**
 * A button that shows and hides a camera.
 * @param {Track} track
 * @param {Clock} clock
 */
function eye(track, clock) {
  const made = button("", "", () => {
    track.hidden = !track.hidden;
    clock.tracksChanged();
  });
  made.className = "quiet eye";
  const say = () => {
    fill(made, track.hidden ? "○" : "●");
    made.title = `${track.hidden ? "Show" : "Hide"} ${track.name}`;
    made.setAttribute("aria-label", made.title);
    made.setAttribute("aria-pressed", String(!track.hidden));
  };
  clock.addEventListener("tracks", say);
  say();
  return made;
}
