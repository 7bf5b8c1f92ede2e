/** What a person thinks of the episode: a flag, good or bad, and a note. */

import { postJson } from "./api.js";
import { element, fill, popover } from "./dom.js";

/** @typedef {import("./view.js").View} View */

const MOST_CHARS = 4000; // of a note, as the index has it
const SHOWN = 24;

/**
 * @param {HTMLElement} place
 * @param {View} view
 */
export function mountOpinion(place, view) {
  if (view.episode === null) return; // files that belong to no episode have neither
  if (!view.canWrite) {
    if (view.flag) place.append(element("span", { class: `pill ${view.flag}` }, view.flag));
    if (view.note) place.append(popover(element("span", { class: "pill" }, short(view.note)), () => element("p", {}, view.note), "note"));
    return;
  }
  const said = element("span", { class: "bad", role: "status" });
  const keep = async (/** @type {{flag?: string | null, note?: string | null}} */ change) => {
    fill(said);
    try {
      await postJson("/actions/episode", {
        namespace: view.namespace,
        project: view.project,
        episode: view.episode,
        ...change,
      });
      Object.assign(view, change);
      show();
    } catch (fault) {
      fill(said, `Not kept: ${/** @type {Error} */ (fault).message}`);
    }
  };
  const flags = (/** @type {const} */ (["good", "bad"])).map((name) => {
    const press = () => keep({ flag: view.flag === name ? null : name });
    const title = `Flag the episode as ${name}`;
    return { name, made: element("button", { type: "button", class: `pill flag ${name}`, title, onclick: press }, name) };
  });
  const label = element("span", { class: "pill" });
  const show = () => {
    for (const { name, made } of flags) made.setAttribute("aria-pressed", String(view.flag === name));
    fill(label, view.note ? short(view.note) : "note…");
    label.title = view.note ?? "Write a note";
  };
  show();
  const editor = () => {
    const text = element("textarea", { rows: 5, maxlength: MOST_CHARS, "aria-label": "Note on the episode" }, view.note ?? "");
    const close = (/** @type {Event} */ event) => {
      event.preventDefault();
      keep({ note: text.value.trim() || null }).then(() => (note.open = Boolean(said.textContent)));
    };
    return element("form", { onsubmit: close }, text, element("button", { class: "main" }, "Keep"));
  };
  const note = popover(label, editor, "note");
  place.append(...flags.map(({ made }) => made), note, said);
}

/** @param {string} text */
function short(text) {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
