/** Requests of the page to the viewer. */

/** What went wrong, in the words of the service that refused. */
export class RequestError extends Error {
  /**
   * @param {number} status of HTTP; 0 where there was no answer
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * What a route answers, as JSON. Raises RequestError.
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function getJson(url, signal) {
  return ask(url, { signal, headers: { Accept: "application/json" } });
}

/**
 * Ask for a change. Raises RequestError.
 * @param {string} url
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export function postJson(url, body) {
  return ask(url, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-Requested-With": "dreamlake" },
  });
}

/**
 * @param {string} url
 * @param {RequestInit} options
 */
async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (fault) {
    if (/** @type {Error} */ (fault).name === "AbortError") throw fault;
    throw new RequestError(0, "The viewer does not answer.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  const said = answer?.error;
  const message = typeof said === "string" ? said : [said?.message, said?.hint].filter(Boolean).join(" ");
  throw new RequestError(response.status, message || `The viewer answers ${response.status}.`);
}

/**
 * Whether a fault is only that nobody wants the answer any more.
 * @param {unknown} fault
 */
export function isAbort(fault) {
  return /** @type {Error} */ (fault).name === "AbortError";
}
