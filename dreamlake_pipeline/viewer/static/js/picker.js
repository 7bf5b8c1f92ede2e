/** Choosing the fields of a label track that are drawn. */

import { getJson } from "./api.js";
import { element, fill, popover } from "./dom.js";
import { drawable, facetsOf, MOST_FIELDS, sortOf } from "./facets.js";

/** @typedef {import("./view.js").Field} Field */
/** @typedef {import("./view.js").Track} Track */

const MANY = 15; // fields, from which on one can look for one by name

/**
 * @param {Track} track
 * @param {() => string[]} chosen
 * @param {(fields: string[]) => void} choose
 */
export function picker(track, chosen, choose) {
  const total = drawable(track).length + Math.max((track.fieldsTotal ?? 0) - (track.fields?.length ?? 0), 0);
  const count = element("span", {});
  const say = () => fill(count, `${chosen().length}/${Math.max(total, chosen().length)} fields`);
  say();
  /** @type {Field[] | null} */
  let all = null;
  const content = () => {
    const box = element("div", { class: "picker-fields" });
    const show = () => fill(box, fieldList(track, all ?? track.fields ?? [], chosen, change));
    const change = (/** @type {string[]} */ fields) => {
      choose(fields);
      say();
    };
    show();
    if (!all && track.allFields)
      getJson(track.allFields).then(
        (answer) => {
          all = /** @type {Field[]} */ (answer);
          show();
        },
        (fault) => box.append(element("p", { class: "bad" }, `Not all fields: ${fault.message}`)),
      );
    return box;
  };
  return { element: popover(count, content, "picker"), say };
}

/**
 * @param {Track} track
 * @param {Field[]} fields
 * @param {() => string[]} chosen
 * @param {(fields: string[]) => void} change
 */
function fieldList(track, fields, chosen, change) {
  const able = drawable(track, fields);
  const marks = able.filter((field) => sortOf(field) === "mark").map(({ name }) => name);
  const curves = able.filter((field) => sortOf(field) === "number").map(({ name }) => name);
  const groups = facetsOf(curves);
  if (marks.length) groups.push({ name: "texts", fields: marks });
  const full = element("p", { class: "warn", hidden: true }, `${MOST_FIELDS} fields at the most are drawn.`);
  const set = (/** @type {string[]} */ names, /** @type {boolean} */ isOn) => {
    const others = chosen().filter((name) => !names.includes(name));
    const wanted = isOn ? [...others, ...names] : others;
    full.hidden = wanted.length <= MOST_FIELDS;
    change(wanted.slice(0, MOST_FIELDS));
    for (const box of list.querySelectorAll("input")) refresh(box);
  };
  const refresh = (/** @type {HTMLInputElement} */ box) => {
    const now = new Set(chosen());
    const names = JSON.parse(box.dataset.fields ?? "[]");
    const on = names.filter((/** @type {string} */ name) => now.has(name)).length;
    box.checked = on === names.length;
    box.indeterminate = on > 0 && on < names.length;
  };
  const choice = (/** @type {string} */ label, /** @type {string[]} */ names) => {
    const box = element("input", { type: "checkbox", "data-fields": JSON.stringify(names) });
    box.addEventListener("change", () => set(names, box.checked));
    refresh(box);
    return element("label", { "data-field": label.toLowerCase() }, box, element("span", {}, label));
  };
  const list = element("div", { class: "picker-list" });
  for (const { name, fields: names } of groups) {
    if (names.length === 1) list.append(choice(names[0], names));
    else {
      const inside = element("div", { class: "picker-group" }, ...names.map((field) => choice(field, [field])));
      list.append(choice(`${name} (${names.length})`, names), inside);
    }
  }
  const search = element("input", { type: "search", placeholder: "Find a field", "aria-label": "Find a field" });
  search.hidden = able.length < MANY;
  search.addEventListener("input", () => {
    for (const label of list.querySelectorAll("label"))
      label.hidden = !(label.dataset.field ?? "").includes(search.value.trim().toLowerCase());
  });
  const isCut = fields.length < (track.fieldsTotal ?? 0) && !track.allFields;
  const rest = isCut ? element("p", { class: "muted" }, "The file’s page has the other fields.") : null;
  const none = groups.length ? null : element("p", { class: "muted" }, "It has no field that can be drawn.");
  return element("div", {}, search, full, none, list, rest);
}
