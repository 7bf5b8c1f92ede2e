/** The view model of an episode, as the page carries it and as its URL with `.json` answers it. */

/**
 * @typedef {object} Track a file of the episode. Times are seconds.
 * @property {string} assetId of the index
 * @property {string} recordId of the storage service
 * @property {"video" | "audio" | "label-track" | "text-track"} kind of the content
 * @property {string} recordKind the kind that routes take: a video without pictures is of kind audio
 * @property {string} filename
 * @property {string} folder with a slash in front
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
 * @property {{name: string}[]} [audioTracks] of a camera that has several
 * @property {{code: string, message: string, hint?: string | null} | null} [error]
 * @property {boolean} [partial]
 * @property {string[]} [warnings]
 * @property {string} [file] URL of the file's page
 * @property {string | null} [run] of Dagster
 * @property {number} [offsetSec] by how much a person moved it
 * @property {"absolute" | "creation" | "start" | "offset" | null} [alignedBy] null of what has no times
 * @property {string | null} [waveform] URL
 * @property {number | null} [lufs]
 * @property {Field[]} [fields] of many, the first
 * @property {number} [fieldsTotal]
 * @property {string | null} [allFields] URL of a list of all
 * @property {string[]} [timeFields]
 * @property {number | null} [entries]
 * @property {string | null} [series] URL
 * @property {string | null} [rows] URL
 * @property {number | null} [cues] how many
 * @property {string | null} [cuesUrl]
 * @property {string | null} [language]
 * @property {Telemetry | null} [telemetry] measurements that a text track holds
 * @property {string | null} [video] id of the video whose subtitles it is
 */

/**
 * @typedef {object} Telemetry as of a label track; `startSec` is its first time, in seconds of the text track
 * @property {number} startSec
 * @property {number} durationSec
 * @property {number} entries
 * @property {Field[]} fields
 * @property {number} fieldsTotal
 * @property {string} series
 * @property {string} rows
 */

/** @typedef {{name: string, type: string, unit?: string | null, distinct?: number | null}} Field of a label track */

/** @typedef {{files: number, statuses: Record<string, number>}} State by which a page sees that files have changed */

/**
 * @typedef {object} View
 * @property {string} namespace
 * @property {string} project
 * @property {string} episode
 * @property {string | null} [previous] name of the episode before
 * @property {string | null} [next]
 * @property {number} durationSec
 * @property {{by: string, text: string, epoch: number | null}} alignment
 * @property {"good" | "bad" | null} [flag]
 * @property {string | null} [note]
 * @property {boolean} canWrite
 * @property {Record<string, number>} counts of files by status
 * @property {number} moreFiles that are not among the tracks
 * @property {State} state
 * @property {Track[]} tracks
 */

/** @type {View | null} */
let view = null;

/** The view model that the page carries, the same one for all who ask. */
export function readView() {
  return (view ??= /** @type {View} */ (JSON.parse(/** @type {HTMLElement} */ (document.getElementById("view")).textContent ?? "")));
}
