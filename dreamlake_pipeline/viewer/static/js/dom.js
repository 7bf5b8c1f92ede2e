/** Making elements. Whatever a file or a person named goes in as text, never as markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | null | undefined | Function>} attributes true: present; false, null:
 * absent; a function listens to the event behind `on`
 * @param {...Child} children texts and numbers become text nodes
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, String(value));
  }
  fill(made, ...children);
  return made;
}

/**
 * Put children in the place of all that an element has.
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  const nodes = children.filter((child) => child !== null && child !== undefined && child !== false);
  parent.replaceChildren(...nodes.map((child) => (child instanceof Node ? child : String(child))));
}

/**
 * A button that shows a sign and is called by words.
 * @param {string | Node} sign
 * @param {string} label also its tooltip
 * @param {(event: MouseEvent) => void} press
 * @param {Record<string, string | number | boolean>} [attributes]
 */
export function button(sign, label, press, attributes = {}) {
  return element("button", { type: "button", "aria-label": label, title: label, onclick: press, ...attributes }, sign);
}

/**
 * Runs an action once in the next animation frame, however often it is asked for before.
 * @param {() => void} action
 */
export function inNextFrame(action) {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      action();
    });
  };
}

/**
 * A part of the page that opens below a button, and closes when something else is used.
 * @param {HTMLElement} summary what is always there
 * @param {() => Child} content made each time it opens
 * @param {string} name its class
 */
export function popover(summary, content, name) {
  const body = element("div", { class: "popover-body" });
  const handle = element("summary", {}, summary);
  const box = element("details", { class: `popover ${name}` }, handle, body);
  /** @param {Event} event */
  const elsewhere = (event) => {
    if (!box.contains(/** @type {Node} */ (event.target))) box.open = false;
  };
  box.addEventListener("toggle", () => {
    if (box.open) {
      fill(body, content());
      document.addEventListener("pointerdown", elsewhere);
    } else {
      fill(body);
      document.removeEventListener("pointerdown", elsewhere);
    }
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    event.stopPropagation();
    box.open = false;
    handle.focus();
  });
  return box;
}
