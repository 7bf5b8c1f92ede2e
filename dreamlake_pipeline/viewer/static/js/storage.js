/** What a person arranged, kept by the browser for a project; nothing depends on it. */

/** @typedef {{order?: string[], folded?: Record<string, boolean>, heights?: Record<string, number>,
 *   fields?: Record<string, string[]>, tree?: boolean, height?: number}} Arrangement */

export class Store {
  /** @type {Arrangement} */
  #kept = {};
  #place;

  /**
   * @param {string} namespace
   * @param {string} project
   */
  constructor(namespace, project) {
    this.#place = `dreamlake:${namespace}/${project}`;
    try {
      const kept = JSON.parse(localStorage.getItem(this.#place) ?? "{}");
      if (kept && typeof kept === "object") this.#kept = kept;
    } catch {
      // Storage is forbidden, or holds something else: the page is arranged as at first.
    }
  }

  /**
   * @template {keyof Arrangement} Name
   * @param {Name} name
   * @returns {Arrangement[Name]}
   */
  get(name) {
    return this.#kept[name];
  }

  /**
   * What was kept of one track.
   * @template {"folded" | "heights" | "fields"} Name
   * @param {Name} name
   * @param {string} track
   * @returns {NonNullable<Arrangement[Name]>[string] | undefined}
   */
  of(name, track) {
    const all = this.#kept[name];
    return all && Object.hasOwn(all, track) ? /** @type {any} */ (all)[track] : undefined;
  }

  /**
   * @template {keyof Arrangement} Name
   * @param {Name} name
   * @param {Arrangement[Name]} value
   */
  set(name, value) {
    this.#kept[name] = value;
    try {
      localStorage.setItem(this.#place, JSON.stringify(this.#kept));
    } catch {
      // It is full or forbidden: what was arranged lasts as long as the page.
    }
  }

  /**
   * Keep something of one track.
   * @template {"folded" | "heights" | "fields"} Name
   * @param {Name} name
   * @param {string} track
   * @param {NonNullable<Arrangement[Name]>[string]} value
   */
  setOf(name, track, value) {
    this.set(name, /** @type {any} */ ({ ...this.#kept[name], [track]: value }));
  }
}
