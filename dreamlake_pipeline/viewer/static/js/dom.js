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
  const place = () => placeBeside(body, handle.getBoundingClientRect());
  box.addEventListener("toggle", () => {
    const change = box.open ? "addEventListener" : "removeEventListener";
    document[change]("pointerdown", elsewhere);
    window[change]("resize", place);
    window[change]("scroll", place, true);
    fill(body, box.open && content());
    if (box.open) place();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    event.stopPropagation();
    box.open = false;
    handle.focus();
  });
  return box;
}

const EDGE = 8; // pixels that stay free at the edges of the window
const HIGHEST = 420;

/**
 * Put something below a part of the page, or above it where there is more room, inside the window.
 * @param {HTMLElement} body which is fixed
 * @param {DOMRect} beside
 */
function placeBeside(body, { left, top, bottom }) {
  const below = Math.min(innerHeight - bottom - 2 * EDGE, HIGHEST);
  const above = Math.min(top - 2 * EDGE, HIGHEST);
  const isBelow = below >= Math.min(body.scrollHeight, above);
  body.style.maxHeight = `${isBelow ? below : above}px`;
  body.style.top = isBelow ? `${bottom + EDGE}px` : "auto";
  body.style.bottom = isBelow ? "auto" : `${innerHeight - top + EDGE}px`;
  body.style.left = `${Math.max(Math.min(left, innerWidth - body.offsetWidth - EDGE), EDGE)}px`;
}
