/** Playback URLs of tracks: asked for when they are needed, and again before they end. */

/** Milliseconds before its end at which a URL is asked for again. */
const MARGIN = 60_000;

/** What the viewer or the storage service said against playing something, for a person to read. */
export class PlaybackError extends Error {}

/** The playback URL of one track. */
export class Playback {
  #path;
  /** @type {Promise<{url: string, ends: number}> | null} */
  #asked = null;

  /**
   * @param {string} kind
   * @param {string} recordId
   */
  constructor(kind, recordId) {
    this.#path = `/play/${encodeURIComponent(kind)}/${encodeURIComponent(recordId)}`;
  }

  /**
   * A URL that is valid for a minute at least. Raises PlaybackError.
   * @returns {Promise<string>}
   */
  async url() {
    const asked = (this.#asked ??= ask(this.#path));
    try {
      const { url, ends } = await asked;
      if (Date.now() < ends - MARGIN) return url;
    } catch (error) {
      this.forget(asked);
      throw error;
    }
    this.forget(asked);
    return (await (this.#asked ??= ask(this.#path))).url;
  }

  /**
   * A URL that a playlist names, with the token of today in the place of the one that the playlist was written with.
   * @param {string} named
   */
  async renewed(named) {
    const renewed = new URL(named);
    const token = new URL(await this.url()).searchParams.get("token");
    if (token && renewed.searchParams.has("token")) renewed.searchParams.set("token", token);
    return renewed.href;
  }

  /** Ask again next time, whatever the end of the URL is. */
  forget(asked = this.#asked) {
    if (this.#asked === asked) this.#asked = null;
  }
}

/**
 * @param {string} path
 * @returns {Promise<{url: string, ends: number}>} `ends` in milliseconds of this machine's clock
 */
async function ask(path) {
  let response;
  try {
    // Without headers or modes of its own, so that it can be the answer that the page's head asked for.
    response = await fetch(path);
  } catch {
    throw new PlaybackError("The viewer can't be reached.");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok || !answer?.url) throw new PlaybackError(saidBy(answer) ?? `The viewer answered ${response.status}.`);
  // The end is a time of the service's clock, which need not be this machine's.
  const skew = Date.now() - (Date.parse(response.headers.get("Date") ?? "") || Date.now());
  return { url: answer.url, ends: Date.parse(answer.expiresAt) + skew };
}

/**
 * The text of an error as our services answer it, or null.
 * @param {any} answer
 * @returns {string | null}
 */
export function saidBy(answer) {
  const { message, hint } = answer?.error ?? {};
  if (typeof message !== "string") return null;
  return hint ? `${message} ${hint}` : message;
}
