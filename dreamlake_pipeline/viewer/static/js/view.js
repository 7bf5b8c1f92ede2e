/** The view model of an episode, as the page carries it and as its URL with `.json` answers it. */

/**
 * @typedef {object} Track a file of the episode. Times are seconds.
 * @property {string} assetId of the index
 * @property {string} recordId of the storage service
 * @property {"video" | "audio" | "label-track" | "text-track"} kind of the content
 * @property {string} recordKind the kind that routes take: a video without pictures is of kind audio
 * @property {string} name path within the episode, as /camera/front.mp4
 * @property {string} status
 * @property {boolean} playable whether it has a result, be it of an earlier processing
 * @property {number} startSec where its time 0 is on the episode's clock
 * @property {number | null} durationSec
 * @property {boolean} [hidden] a person does not want to see it
 * @property {number | null} [streamStart] MPEG-TS time of its time 0
 * @property {number | null} [width]
 * @property {number | null} [height]
 * @property {number | null} [fps]
 * @property {string | null} [codec]
 * @property {string | null} [mode]
 * @property {string | null} [poster]
 * @property {boolean} [hasAudio]
 * @property {{code: string, message: string, hint?: string | null} | null} [error]
 * @property {boolean} [partial]
 * @property {string} [file] URL of the file's page
 */

/**
 * @typedef {object} View
 * @property {string} namespace
 * @property {string} project
 * @property {string} episode
 * @property {string | null} [previous] name of the episode before
 * @property {string | null} [next]
 * @property {number} durationSec
 * @property {Track[]} tracks
 */

/**
 * The view model that the page carries.
 * @returns {View}
 */
export function readView() {
  return JSON.parse(/** @type {HTMLElement} */ (document.getElementById("view")).textContent ?? "");
}
