/** Times as people read and type them. */

/**
 * Minutes, seconds and milliseconds, and hours where there are any: 00:17.466, 1:02:03.000.
 * @param {number} seconds
 */
export function clockText(seconds) {
  const ms = Math.round(Math.max(0, seconds) * 1000);
  const hours = Math.floor(ms / 3_600_000);
  const minutes = two(Math.floor(ms / 60_000) % 60);
  const rest = `${two(Math.floor(ms / 1000) % 60)}.${String(ms % 1000).padStart(3, "0")}`;
  return hours ? `${hours}:${minutes}:${rest}` : `${minutes}:${rest}`;
}

/**
 * Seconds of a time as it is typed: 17.466, 0:17.466, 1:02:03, with a comma as well. NaN of anything else.
 * @param {string} text
 */
export function secondsOf(text) {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d*)?$/.test(part))) return NaN;
  return parts.reduce((seconds, part) => seconds * 60 + Number(part), 0);
}

/**
 * How a time is said: "1 minute 2.5 seconds".
 * @param {number} seconds
 */
export function spoken(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  const minutes = Math.floor(tenths / 600);
  const rest = (tenths % 600) / 10;
  const said = `${rest} second${rest === 1 ? "" : "s"}`;
  return minutes ? `${minutes} minute${minutes === 1 ? "" : "s"} ${said}` : said;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}
