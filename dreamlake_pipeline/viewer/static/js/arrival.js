/** A link to one file of the episode, `?file=ID`: its row or camera is scrolled to, and marked for a moment. */

import { readLink } from "./deeplink.js";

const SHOWN = 4000; // milliseconds

/**
 * @param {HTMLElement} root
 * @param {import("./view.js").View} view
 */
export function arrive(root, view) {
  const id = readLink("file");
  const track = id && view.tracks.find(({ assetId, recordId }) => id === assetId || id === recordId);
  if (!track) return;
  const named = `[data-name="${CSS.escape(track.name)}"]`;
  for (const part of ["#tree", "#tracks", "#cameras"]) {
    const found = root.querySelector(`${part} ${named}`);
    const box = found?.closest(".row, .camera, .file") ?? found;
    if (!box) continue;
    box.scrollIntoView({ block: "nearest" });
    box.classList.add("arrived");
    setTimeout(() => box.classList.remove("arrived"), SHOWN);
  }
}
