/** What the page's URL says of the player: `t`, which tracks are hidden, how far plots are zoomed. */

/** Milliseconds between two changes of the URL: browsers refuse more than some in a second. */
const INTERVAL = 500;

/** @type {Map<string, string | null>} */
const wanted = new Map();
let timer = 0;

/**
 * What the URL says, or will say.
 * @param {string} name
 * @returns {string | null}
 */
export function readLink(name) {
  return wanted.get(name) ?? new URL(location.href).searchParams.get(name);
}

/**
 * Say it in the URL, which makes no entry of the browser's history.
 * @param {string} name
 * @param {string | null} value null takes it out
 */
export function writeLink(name, value) {
  wanted.set(name, value);
  timer ||= window.setTimeout(write, INTERVAL);
}

/** Say in the URL at once what is still to be said there. */
export function writeLinkNow() {
  clearTimeout(timer);
  write();
}

function write() {
  timer = 0;
  const url = new URL(location.href);
  for (const [name, value] of wanted) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  wanted.clear();
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}

/**
 * Start at the time that the URL names and without the tracks that it hides, and keep it up to date.
 * @param {import("./view.js").View} view
 * @param {import("./clock.js").Clock} clock
 */
export function follow(view, clock) {
  const hidden = new Set(readLink("hide")?.split(","));
  for (const track of view.tracks) if (hidden.has(track.assetId)) track.hidden = true;
  const time = Number.parseFloat(readLink("t") ?? "");
  if (Number.isFinite(time)) clock.seek(time);

  const writeTime = () => writeLink("t", clock.time > 0 ? String(Number(clock.time.toFixed(3))) : null);
  clock.addEventListener("time", writeTime);
  clock.addEventListener("state", writeTime);
  clock.addEventListener("tracks", () => {
    const names = view.tracks.filter((track) => track.hidden).map((track) => track.assetId);
    writeLink("hide", names.length ? names.join(",") : null);
  });
}
