/** The page of an episode: one clock, and everything that follows it. */

import { Clock } from "./clock.js";
import { mountTracks } from "./tracks.js";
import { readView } from "./view.js";

const root = /** @type {HTMLElement} */ (document.getElementById("episode"));
const view = readView();
const clock = new Clock(view.durationSec);

mountTracks(root, view, clock);

const showTime = () => (root.dataset.time = clock.time.toFixed(3));
clock.addEventListener("time", showTime);
showTime();
