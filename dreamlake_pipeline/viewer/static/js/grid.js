/** How many columns of cameras make their pictures as large as the room allows. */

/** Pixels. */
const GAP = 8;
const CAPTION = 30;
const SMALLEST = 220;

/** Width by height of cameras that do not say theirs. */
const USUAL_ASPECT = 16 / 9;

/**
 * @param {number} count of cameras
 * @param {number} width pixels of the room
 * @param {number} height
 * @param {number} aspect width by height of a picture
 * @returns {{columns: number, width: number}} `width` of a picture, in pixels; when not all fit, there are as many columns
 *   as pictures of a usable size allow, and the room scrolls
 */
export function fit(count, width, height, aspect) {
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const across = (width - GAP * (columns - 1)) / columns;
    const down = ((height - GAP * (rows - 1)) / rows - CAPTION) * aspect;
    const size = Math.floor(Math.min(across, down));
    if (size > best.width) best = { columns, width: size };
  }
  if (best.width >= Math.min(SMALLEST, width)) return best;
  const columns = Math.max(1, Math.min(count, Math.floor((width + GAP) / (SMALLEST + GAP))));
  const across = (width - GAP * (columns - 1)) / columns;
  const whole = (height - CAPTION) * aspect; // so that one is seen with its caption
  return { columns, width: Math.floor(Math.min(across, Math.max(whole, SMALLEST))) };
}

/**
 * The aspect of most cameras.
 * @param {import("./view.js").Track[]} cameras
 */
export function aspectOf(cameras) {
  const aspects = cameras.flatMap(({ width, height }) => (width && height ? [width / height] : []));
  aspects.sort((one, other) => one - other);
  return aspects[Math.floor(aspects.length / 2)] ?? USUAL_ASPECT;
}
