/** Which fields of a label track are drawn, and which of them together: those whose names begin alike. */

/** @typedef {import("./view.js").Field} Field */
/** @typedef {import("./view.js").Track} Track */

/** @typedef {{name: string, fields: string[]}} Facet fields that share a plot */

/** Most fields that are drawn at a time; more are no picture. */
export const MOST_FIELDS = 40;

const FIRST_FACETS = 3; // that are drawn before anybody has chosen
const FIRST_FIELDS = 12;
const FIRST_MARKS = 2;
const MOST_TEXTS = 200; // different texts of a field that is drawn by itself; one of more is an id or a remark

/**
 * What is drawn of a field: a curve, or marks where its text changes. Null: neither.
 * @param {Field} field
 * @returns {"number" | "mark" | null}
 */
export function sortOf({ type }) {
  if (/^(list<)?(u?int|float|double|decimal|halffloat)/.test(type)) return "number";
  return /^(bool|string|large_string)/.test(type) ? "mark" : null;
}

/** Whether a field is a list, whose items are drawn by themselves: `pose[0]`. @param {Field} field */
export function isList({ type }) {
  return type.startsWith("list<");
}

/**
 * The curves of chosen fields: of a list those of its items, whose number only the values tell.
 * @param {string[]} names
 * @param {string[]} told names of the curves that the service has told of
 */
export function curvesOf(names, told) {
  return names.flatMap((name) => {
    const items = told.filter((item) => item.startsWith(`${name}[`));
    return items.length && !told.includes(name) ? items : [name];
  });
}

/**
 * Fields that can be drawn, without those that tell the time.
 * @param {Track} track
 * @param {Field[]} [fields] all, where the track has the first only
 */
export function drawable(track, fields = track.fields ?? []) {
  const times = new Set([...(track.timeFields ?? [])]);
  return fields.filter((field) => !times.has(field.name) && sortOf(field) !== null);
}

/**
 * The fields in groups by what their names begin with, in the order of the first of each: `q1`, `q2`; `pose.x`, `pose.y`;
 * `imu/acc[0]`. A field that is alone has a group of its own name.
 * @param {string[]} names
 * @returns {Facet[]}
 */
export function facetsOf(names) {
  /** @type {Map<string, string[]>} */
  const groups = new Map();
  for (const name of names) {
    const prefix = prefixOf(name);
    const group = groups.get(prefix);
    if (group) group.push(name);
    else groups.set(prefix, [name]);
  }
  return [...groups].map(([name, fields]) => ({ name: fields.length > 1 ? name : fields[0], fields }));
}

/** @param {string} name */
function prefixOf(name) {
  const parted = /^(.+)(?:[._/:\s-]|\[)[^._/:\s[-]*$/.exec(name);
  if (parted) return parted[1];
  return /^(.*?\D)\d+$/.exec(name)?.[1] ?? name;
}

/**
 * What is drawn before anybody has chosen: the first curves, and the first fields of few texts.
 * @param {Track} track
 * @returns {string[]}
 */
export function firstFields(track) {
  const fields = drawable(track);
  const numbers = fields.filter((field) => sortOf(field) === "number").map(({ name }) => name);
  const curves = facetsOf(numbers).slice(0, FIRST_FACETS).flatMap(({ fields }) => fields);
  const marks = fields.filter((field) => sortOf(field) === "mark" && hasFewTexts(field, track.entries ?? 0));
  return [...curves.slice(0, FIRST_FIELDS), ...marks.slice(0, FIRST_MARKS).map(({ name }) => name)];
}

/**
 * @param {Field} field
 * @param {number} entries of the track
 */
function hasFewTexts({ type, distinct }, entries) {
  return type === "bool" || entries <= MOST_TEXTS || (distinct != null && distinct <= MOST_TEXTS);
}
