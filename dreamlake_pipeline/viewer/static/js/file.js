/** The page of a file: tries it again, copies its playback URL, and shows what it is while it is processed. */

import { getJson } from "./api.js";
import { mountRetries } from "./retry.js";

const INTERVAL = 3000; // milliseconds between two looks at a file that is under way
const ENDS = ["ready", "failed"];

const page = /** @type {HTMLElement} */ (document.querySelector("[data-page=file]"));

mountRetries(page, () => location.reload());

page.querySelector("[data-copy]")?.addEventListener("click", async ({ currentTarget }) => {
  const button = /** @type {HTMLButtonElement} */ (currentTarget);
  const field = /** @type {HTMLInputElement} */ (button.previousElementSibling);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl-C"; // the browser lets no page of plain HTTP write there; the text is chosen
  }
});

async function look() {
  if (!document.hidden) {
    const now = await getJson(`${location.pathname}.json`).catch(() => null);
    if (now && now.status !== page.dataset.status) return location.reload();
  }
  setTimeout(look, INTERVAL);
}

if (!ENDS.includes(page.dataset.status ?? "")) setTimeout(look, INTERVAL);
