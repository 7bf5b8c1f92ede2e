/** The page of a project: what is running now, the list of episodes as that changes, and filters that fold. */

const SOON = 2_000; // milliseconds between two looks while something runs
const LATER = 15_000; // and while nothing does
const SHOWN = 5; // files that are named

/**
 * @typedef {{ recordId: string, kind: string, name: string, episode: string | null, path: string }} RunningFile
 * @typedef {{ counts: { processing: number, queued: number }, more: boolean, files: RunningFile[] }} Running
 */

const page = /** @type {HTMLElement} */ (document.querySelector("[data-page=project]"));
const section = /** @type {HTMLElement} */ (document.getElementById("running"));
const address = /** @type {string} */ (page.dataset.running);

/** The figures of the last look, as text. @type {string | null} */
let before = null;
let timer = 0;

/**
 * @param {string} name
 * @param {string} text
 * @param {Record<string, string>} [attributes]
 */
function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** @param {Running} running */
function show(running) {
  const { processing, queued } = running.counts;
  section.hidden = processing + queued === 0;
  const parts = [];
  if (processing) parts.push(`${processing.toLocaleString()} processing`);
  if (queued) parts.push(`${queued.toLocaleString()}${running.more ? " or more" : ""} waiting`);
  section.replaceChildren(element("span", parts.join(" · "), { class: "pill accent" }));
  for (const file of running.files.slice(0, SHOWN)) {
    const label = file.episode === null ? file.name : `${file.episode}${file.name}`;
    section.append(element("a", label, { href: file.path }));
  }
  if (processing > SHOWN) section.append(element("span", `and ${processing - SHOWN} more`, { class: "muted" }));
}

/** The list as the server has it now, in the place of the one that is shown. */
async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("episodes");
  const list = document.getElementById("episodes");
  if (now && list && !list.contains(document.activeElement)) list.replaceWith(now);
}

async function look() {
  window.clearTimeout(timer);
  let wait = LATER;
  try {
    if (!document.hidden) {
      const answer = await fetch(address);
      if (answer.status === 401) return location.reload(); // the key has ended: the form leads back here
      if (answer.ok) {
        const running = /** @type {Running} */ (await answer.json());
        show(running);
        const figures = JSON.stringify(running.counts);
        if (before !== null && before !== figures) await renew();
        before = figures;
        if (running.counts.processing + running.counts.queued) wait = SOON;
      }
    }
  } catch {
    // The viewer is away for a moment: the page stays as it is, and looks again.
  }
  timer = window.setTimeout(look, wait);
}

const filters = /** @type {HTMLDetailsElement} */ (page.querySelector(".filters .more"));
const narrow = matchMedia("(max-width: 640px)");
const fold = () => (filters.open = !narrow.matches);
narrow.addEventListener("change", fold);
fold();

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});
look();
