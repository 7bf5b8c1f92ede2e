/** The list of keys. */

import { element } from "./dom.js";

/** @type {[string[], string][]} */
const HELP = [
  [["space"], "play, pause"],
  [["←", "→"], "0.1 s back, on"],
  [["shift ←", "shift →"], "1 s back, on"],
  [[",", "."], "a frame back, on"],
  [["home", "end"], "beginning, end"],
  [["l"], "repeat the part that is shown"],
  [["n", "p"], "next, previous cue or event"],
  [["[", "]"], "previous, next episode"],
  [["+", "-"], "faster, slower"],
  [["?"], "this list"],
];

/** Show the list of keys. */
export function showHelp() {
  const open = document.querySelector("dialog.keys");
  if (open) return open.remove();
  const rows = HELP.map(([keys, meaning]) => element("tr", {}, element("th", { scope: "row" }, ...keys.map((key) => element("kbd", {}, key))), element("td", {}, meaning)));
  const close = element("button", { type: "submit" }, "Close");
  const dialog = element(
    "dialog",
    { class: "keys", "aria-label": "Keys" },
    element("table", {}, element("tbody", {}, ...rows)),
    element("form", { method: "dialog" }, close),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
