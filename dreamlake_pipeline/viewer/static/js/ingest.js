/** What is under way in all projects, as it goes on: by server-sent events, or by asking where a proxy cuts these. */

import { getJson } from "./api.js";
import { element, fill } from "./dom.js";

/**
 * @typedef {object} Project figures are numbers of files
 * @property {string} namespace
 * @property {string} project
 * @property {string} path
 * @property {number} uploading
 * @property {number} waiting
 * @property {number} processing
 * @property {number} bytes of those that are under way
 * @property {number} ready
 * @property {number} failed
 */
/** @typedef {{ namespace: string, project: string, episode: string | null, name: string, file: string, episodePage: string }} File */
/** @typedef {{ projects: Project[], more: boolean, files: File[] }} View */

const PATIENCE = 8000; // milliseconds that the stream of events may take to begin
const INTERVAL = 3000; // milliseconds between two questions where there is no such stream

const page = /** @type {HTMLElement} */ (document.querySelector("[data-page=ingest]"));
const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** What was there when the page was opened, by project: what has become of it since is told. @type {Map<string, Project>} */
const before = new Map();

/** Projects that were under way while the page was looked at, and are done. @type {Map<string, Project>} */
const done = new Map();

/** @type {View} */
let shown = JSON.parse(part("view").textContent ?? "");

/** @param {View} view */
function show(view) {
  const now = new Set(view.projects.map((one) => one.path));
  for (const one of shown.projects) if (!now.has(one.path)) done.set(one.path, one);
  for (const one of view.projects) {
    done.delete(one.path);
    if (!before.has(one.path)) before.set(one.path, one);
  }
  shown = view;
  fill(part("underway"), ...content(view));
}

/** @param {View} view */
function content(view) {
  if (!view.projects.length && !done.size) return [nothing()];
  return [
    element(
      "ul",
      { class: "underway" },
      ...view.projects.map((one) => project(one)),
      ...[...done.values()].map((one) => finished(one)),
    ),
    view.more ? element("p", { class: "muted" }, "There is more than is counted here.") : null,
    view.files.length ? element("h2", {}, "Being processed now") : null,
    view.files.length ? element("ul", { class: "files" }, ...view.files.map((one) => file(one))) : null,
  ].filter((one) => one !== null);
}

function nothing() {
  return element(
    "div",
    { class: "empty" },
    element("h2", {}, "Nothing is under way"),
    element("p", { class: "muted" }, "What is uploaded, waits or is processed shows up here by itself."),
    element("pre", {}, "dreamlake ingest ~/recordings --episode cups --episode-per-folder"),
  );
}

/** @param {Project} one */
function project(one) {
  const left = one.uploading + one.waiting + one.processing;
  const first = before.get(one.path) ?? one;
  const made = Math.max(0, one.ready + one.failed - first.ready - first.failed);
  return element(
    "li",
    { "data-project": `${one.namespace}/${one.project}`, "data-left": left },
    name(one),
    element("progress", { max: made + left, value: made, "aria-label": `${one.project}: ${made} done since this page was opened, ${left} left` }),
    element(
      "span",
      { class: "stages num" },
      stage(one.uploading, "uploading", ""),
      stage(one.waiting, "waiting", ""),
      stage(one.processing, "processing", "accent"),
      stage(made, "done since you look", "good"),
      failed(one),
    ),
  );
}

/** @param {Project} one */
function finished(one) {
  const stages = element("span", { class: "stages num" }, stage(1, "nothing left", "good").lastChild, failed(one));
  return element(
    "li",
    { "data-project": `${one.namespace}/${one.project}`, "data-left": 0 },
    name(one),
    element("progress", { max: 1, value: 1, "aria-label": `${one.project}: nothing left` }),
    stages,
  );
}

/** @param {Project} one */
function name({ namespace, project, path }) {
  return element("span", { class: "name" }, element("a", { href: path }, project), " ", element("span", { class: "muted" }, namespace));
}

/**
 * @param {number} count
 * @param {string} what
 * @param {string} tone
 */
function stage(count, what, tone) {
  return element("span", { class: `stage ${count ? tone : "none"}` }, element("b", {}, count.toLocaleString("en")), ` ${what}`);
}

/** @param {Project} one */
function failed({ namespace, project, failed: count }) {
  if (!count) return null;
  const query = new URLSearchParams({ namespace, project });
  return element("a", { class: "pill bad", href: `/failed?${query}` }, `${count.toLocaleString("en")} failed`);
}

/** @param {File} one */
function file(one) {
  const where = [one.namespace, one.project, one.episode].filter(Boolean).join(" / ");
  return element("li", {}, element("a", { href: one.file }, one.name), " ", element("a", { class: "muted", href: one.episodePage }, where));
}

/**
 * Say how the page hears of what goes on, or why it does not.
 * @param {"live" | "asking" | "away"} how
 * @param {string} [problem]
 */
function say(how, problem = "") {
  page.dataset.live = String(how !== "away");
  const link = part("link");
  link.hidden = false;
  link.className = how === "away" ? "pill warn" : "pill good";
  link.textContent = how === "live" ? "live" : how === "asking" ? "live, by asking" : "not connected";
  part("problem").hidden = !problem;
  part("problem").textContent = problem;
}

/** Ask again and again, where no stream comes through. */
async function ask() {
  if (!document.hidden) {
    try {
      show(await getJson("/ingest.json"));
      say("asking");
    } catch (fault) {
      const { status, message } = /** @type {import("./api.js").RequestError} */ (fault);
      if (status === 401) return location.reload(); // the login form, which leads back here
      say("away", `${message} The page asks again by itself.`);
    }
  }
  setTimeout(ask, INTERVAL);
}

function listen() {
  const source = new EventSource("/ingest/events");
  const giveUp = () => {
    clearTimeout(patience);
    source.close();
    ask();
  };
  let patience = setTimeout(giveUp, PATIENCE);
  source.addEventListener("message", ({ data }) => {
    clearTimeout(patience);
    show(JSON.parse(data));
    say("live");
  });
  source.addEventListener("failed", ({ data }) => {
    clearTimeout(patience);
    const { message, hint } = JSON.parse(data);
    say("away", [message, hint, "The page goes on by itself."].filter(Boolean).join(" "));
  });
  source.addEventListener("end", () => location.reload());
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) return giveUp(); // refused: there are too many, or a proxy has none
    clearTimeout(patience);
    patience = setTimeout(giveUp, PATIENCE); // the browser connects anew by itself
  });
}

show(shown);
listen();
