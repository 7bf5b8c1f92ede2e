/** Buttons that have failed files processed again: `data-retry` names their records, with blanks between them. */

import { postJson } from "./api.js";

/**
 * @param {ParentNode} page
 * @param {(ids: string[], button: HTMLButtonElement) => void} queued what happens with those that were queued
 */
export function mountRetries(page, queued) {
  page.addEventListener("click", async (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button[data-retry]");
    if (!(button instanceof HTMLButtonElement) || button.disabled) return;
    const said = button.parentElement?.querySelector(".said");
    button.disabled = true;
    try {
      const { ids } = await postJson("/actions/retry", { ids: (button.dataset.retry ?? "").split(" ") });
      queued(ids, button);
    } catch (fault) {
      button.disabled = false;
      if (said) said.textContent = `Not queued: ${/** @type {Error} */ (fault).message}`;
    }
  });
}
