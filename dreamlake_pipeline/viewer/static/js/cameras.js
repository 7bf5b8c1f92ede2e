/** The cameras of an episode as a grid that fills its room, and its sounds, in step with the clock. */

import { mountAlone } from "./alone.js";
import { Camera } from "./camera.js";
import { element } from "./dom.js";
import { aspectOf, fit } from "./grid.js";
import { Sound } from "./sound.js";
import { Sync } from "./sync.js";

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./player.js").Player} Player */
/** @typedef {import("./view.js").View} View */

/** Browsers have some 75 players in a page; those out of sight beyond this many are closed. */
const MOST_OPEN = 32;

/** Pixels beside the room within which cameras load already. */
const NEAR = "80px";

/**
 * @param {HTMLElement} root
 * @param {View} view
 * @param {Clock} clock
 * @returns {{sync: Sync, sound: Sound}}
 */
export function mountCameras(root, view, clock) {
  const room = /** @type {HTMLElement} */ (root.querySelector("#cameras"));
  const sync = new Sync(clock);
  const cameras = view.tracks.filter(({ kind }) => kind === "video").map((track) => new Camera(track, clock));
  const sound = new Sound(root, view, clock, sync, cameras);
  for (const camera of cameras) if (camera.player) sync.add(camera.player);

  const grid = element("div", { class: "grid" }, ...cameras.map(({ tile }) => tile));
  room.append(grid);
  room.hidden = !cameras.length;
  layOut(root, room, grid, cameras, clock);
  watch(room, cameras, sync, clock);

  const update = () => {
    for (const camera of cameras) camera.update(sync.waitingFor);
  };
  sync.addEventListener("state", update);
  clock.addEventListener("time", update);
  return { sync, sound };
}

/**
 * As large as the room allows, whenever that changes.
 * @param {HTMLElement} root
 * @param {HTMLElement} room
 * @param {HTMLElement} grid
 * @param {Camera[]} cameras
 * @param {Clock} clock
 */
function layOut(root, room, grid, cameras, clock) {
  const place = () => {
    const shown = cameras.filter((camera) => !camera.track.hidden && isToBeSeen(camera));
    for (const camera of cameras) camera.tile.hidden = !shown.includes(camera);
    room.hidden = !shown.length;
    const style = getComputedStyle(room);
    const width = room.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = room.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    if (width <= 0) return;
    const aspect = aspectOf(shown.map(({ track }) => track));
    const best = fit(shown.length, width, height, aspect);
    grid.style.setProperty("--columns", String(best.columns));
    grid.style.setProperty("--picture", `${best.width}px`);
    grid.style.setProperty("--aspect", String(aspect));
  };
  const isToBeSeen = mountAlone(root, cameras, place);
  new ResizeObserver(place).observe(room);
  clock.addEventListener("tracks", place);
  place();
}

/**
 * Only what is in sight plays and loads.
 * @param {HTMLElement} room
 * @param {Camera[]} cameras
 * @param {Sync} sync
 * @param {Clock} clock
 */
function watch(room, cameras, sync, clock) {
  /** @type {Map<Element, Camera>} */
  const played = new Map(cameras.filter(({ player }) => player).map((camera) => [camera.tile, camera]));
  const players = cameras.flatMap(({ player }) => player ?? []);
  if (!players.length) {
    sync.complete = true;
    return;
  }
  /** Those out of sight that are open, the longest first. @type {Set<Player>} */
  const resting = new Set();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const camera = /** @type {Camera} */ (played.get(target));
        const player = /** @type {Player} */ (camera.player);
        resting.delete(player);
        if (isIntersecting) camera.enter();
        else if (player.leave()) resting.add(player);
      }
      const open = players.filter((player) => player.stream.isOpen);
      for (const player of [...resting].slice(0, Math.max(0, open.length - MOST_OPEN))) {
        player.close();
        resting.delete(player);
      }
      sync.complete = true;
      sync.tick();
    },
    { root: room, rootMargin: NEAR },
  );
  for (const tile of played.keys()) observer.observe(tile);
  window.addEventListener("online", () => {
    for (const player of players) if (player.active && player.failure !== null) player.open();
  });
}
