/** Fingers, pens, mice and wheels over whatever lies on the time axis. */

/** @typedef {import("./axis.js").Axis} Axis */
/** @typedef {import("./clock.js").Clock} Clock */

/** Pixels that a pointer may move and still have clicked. */
const CLICK = 3;
const WHEEL_ZOOM = 0.002;
const LINE = 16; // pixels of a wheel that counts in lines

/**
 * A click or a drag moves the clock; two fingers, and a wheel with ctrl, zoom; a wheel sideways, or with shift, pans.
 * @param {HTMLElement} lane as wide as the axis
 * @param {Axis} axis
 * @param {Clock} clock
 * @param {(x: number, y: number) => number | null} [hit] the time of what lies there, which a click means
 */
export function followPointer(lane, axis, clock, hit = () => null) {
  /** @type {Map<number, number>} */
  const pointers = new Map(); // where each is, by its id
  let isScrubbing = false;
  const xOf = (/** @type {PointerEvent | WheelEvent} */ event) => event.clientX - lane.getBoundingClientRect().left;

  lane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    lane.setPointerCapture(event.pointerId);
    const x = xOf(event);
    pointers.set(event.pointerId, x);
    isScrubbing = pointers.size === 1;
    if (!isScrubbing) return;
    const y = event.clientY - lane.getBoundingClientRect().top;
    clock.seek(hit(x, y) ?? axis.timeAt(x), "user");
  });
  lane.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const x = xOf(event);
    if (pointers.size === 2) pinch(axis, pointers, event.pointerId, x);
    else if (isScrubbing && Math.abs(x - before) >= CLICK) clock.seek(axis.timeAt(x), "user");
    else return;
    pointers.set(event.pointerId, x);
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"]))
    lane.addEventListener(name, (event) => pointers.delete(event.pointerId));
  followWheel(lane, axis);
}

/**
 * @param {HTMLElement} lane
 * @param {Axis} axis
 */
export function followWheel(lane, axis) {
  lane.addEventListener(
    "wheel",
    (event) => {
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
      const sideways = event.deltaX || (event.shiftKey ? event.deltaY : 0);
      if (event.ctrlKey || event.metaKey) {
        const x = event.clientX - lane.getBoundingClientRect().left;
        axis.zoom(Math.exp(-event.deltaY * unit * WHEEL_ZOOM), axis.timeAt(x));
      } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY) && !axis.isWhole) {
        axis.pan((sideways * unit * axis.span) / axis.width);
      } else return; // the page scrolls
      event.preventDefault();
    },
    { passive: false },
  );
}

/**
 * Two fingers hold two times: where they move to, these times come with them.
 * @param {Axis} axis
 * @param {Map<number, number>} pointers where the fingers were
 * @param {number} moved the one that moves now
 * @param {number} x where to
 */
function pinch(axis, pointers, moved, x) {
  const before = pointers.get(moved) ?? x;
  const other = [...pointers].find(([id]) => id !== moved)?.[1] ?? 0;
  const [was, is] = [Math.abs(before - other), Math.abs(x - other)];
  if (was > 1 && is > 1) axis.zoom(is / was, axis.timeAt((before + other) / 2));
  axis.pan((-(x - before) / 2 / axis.width) * axis.span);
}

/**
 * Dragging a handle up and down: `move` hears of each step, in pixels since the start.
 * @param {HTMLElement} handle
 * @param {{start?: () => void, move: (pixels: number, event: PointerEvent) => void, end?: () => void}} on
 */
export function followDrag(handle, on) {
  /** @type {{id: number, y: number} | null} */
  let drag = null;
  handle.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    drag = { id: event.pointerId, y: event.clientY };
    on.start?.();
  });
  handle.addEventListener("pointermove", (event) => {
    if (drag?.id === event.pointerId) on.move(event.clientY - drag.y, event);
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"]))
    handle.addEventListener(name, (event) => {
      if (drag?.id !== event.pointerId) return;
      drag = null;
      on.end?.();
    });
}
