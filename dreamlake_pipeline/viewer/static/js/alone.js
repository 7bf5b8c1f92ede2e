/** One camera over the whole screen, with the time bar below it; the others rest meanwhile. */

/** @typedef {import("./camera.js").Camera} Camera */

/**
 * @param {HTMLElement} root which has `data-alone` meanwhile
 * @param {Camera[]} cameras
 * @param {() => void} place is called when other cameras are shown
 * @returns {(camera: Camera) => boolean} whether a camera is to be seen
 */
export function mountAlone(root, cameras, place) {
  /** @type {Camera | null} */
  let alone = null;
  const show = (/** @type {Camera | null} */ camera) => {
    alone = camera;
    root.toggleAttribute("data-alone", camera !== null);
    for (const one of cameras) one.showAlone(one === camera);
    place();
  };
  const leave = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else show(null);
  };
  for (const camera of cameras) {
    camera.onalone = () => {
      if (camera === alone) return leave();
      show(camera);
      // Where the browser has no full screen, as on some phones, it has the whole window.
      root.requestFullscreen?.().catch(() => undefined);
    };
  }
  root.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement) show(null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && alone) leave();
  });
  return (camera) => alone === null || camera === alone;
}
