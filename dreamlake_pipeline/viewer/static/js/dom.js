/** Making elements without markup: what a recording is called is never read as HTML. */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | null | undefined>} attributes true: present; false, null: absent
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * A button that shows a sign and is called by words.
 * @param {string | Node} sign
 * @param {string} label also its tooltip
 * @param {() => void} press
 */
export function button(sign, label, press) {
  const made = element("button", { type: "button", "aria-label": label, title: label }, sign);
  made.addEventListener("click", press);
  return made;
}
