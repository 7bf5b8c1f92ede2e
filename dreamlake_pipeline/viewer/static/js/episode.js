/** The page of an episode: one clock, and everything that follows it. */

import { arrive } from "./arrival.js";
import { mountCameras } from "./cameras.js";
import { Clock } from "./clock.js";
import { follow } from "./deeplink.js";
import { mountKeys } from "./keys.js";
import { goOn } from "./place.js";
import { mountTimebar } from "./timebar.js";
import { mountTracks } from "./tracks.js";
import { readView } from "./view.js";

const root = /** @type {HTMLElement} */ (document.getElementById("episode"));
const view = readView();
const clock = new Clock(view.durationSec);

follow(view, clock);
const { sync, sound } = mountCameras(root, view, clock);
mountTracks(root, view, clock, sync.settled());
mountTimebar(root, view, clock, sound);
mountKeys(view, clock);
arrive(root, view);
goOn(clock);

const showTime = () => (root.dataset.time = clock.time.toFixed(3));
const showState = () => {
  root.dataset.playing = String(clock.playing);
  root.dataset.ready = String(sync.ready);
  root.dataset.synced = String(sync.synced);
  showTime();
};
clock.addEventListener("time", showTime);
clock.addEventListener("state", showState);
sync.addEventListener("state", showState);
showState();
