/** The list of failed files: one of them is tried again, or all that are shown. */

import { element, fill } from "./dom.js";
import { mountRetries } from "./retry.js";

const page = /** @type {HTMLElement} */ (document.querySelector("[data-page=failed]"));
const all = /** @type {HTMLButtonElement | null} */ (page.querySelector("[data-retry-all]"));

/** The buttons of files that were not tried again yet. */
function buttons() {
  return /** @type {HTMLButtonElement[]} */ ([...page.querySelectorAll("li[data-record] button[data-retry]")]);
}

/** Say on the button of all how many there are left. */
function count() {
  if (!all) return;
  const ids = buttons().map((button) => button.dataset.retry);
  all.hidden = ids.length === 0;
  all.dataset.retry = ids.join(" ");
  all.textContent = ids.length === 1 ? "Try it again" : `Try all ${ids.length.toLocaleString("en")} again`;
}

mountRetries(page, (ids) => {
  const queued = new Set(ids);
  for (const line of /** @type {NodeListOf<HTMLElement>} */ (page.querySelectorAll("li[data-record]"))) {
    if (!queued.has(line.dataset.record ?? "")) continue;
    line.dataset.queued = "true";
    fill(/** @type {HTMLElement} */ (line.querySelector(".actions")), element("span", { class: "pill accent", role: "status" }, "queued"));
  }
  if (all) all.disabled = false;
  count();
});
count();
