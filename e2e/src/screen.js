// What stories and measurements ask of the picture in the tab. It goes before each of their scripts, as part of the same
// function; it changes nothing that the product does.
const screen = document.getElementById("screen");
const isVideo = screen instanceof HTMLVideoElement;

/** The picture's own size in pixels; none where nothing was painted yet. */
const pixelsOf = () => {
  if (!screen) return [0, 0];
  if (isVideo) return [screen.videoWidth, screen.videoHeight];
  return paintedOf() > 0 ? [screen.width, screen.height] : [0, 0];
};

/** How often it was painted since it began: frames of video, and updates with exact pixels. */
const paintedOf = () => {
  if (!screen) return 0;
  if (isVideo) return screen.getVideoPlaybackQuality().totalVideoFrames;
  return Number(screen.dataset.frames ?? 0) + Number(screen.dataset.updates ?? 0);
};

/** Whether a person sees it just now. */
const isShown = () => Boolean(screen) && screen.checkVisibility() && pixelsOf()[0] > 0 && (!isVideo || screen.readyState >= 2);

/** A context that holds these pixels of it: its own, or that of a copy. Read with `getImageData`. */
const readable = () => {
  const own = isVideo ? null : screen.getContext("2d");
  if (own) return own;
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = pixelsOf();
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(screen, 0, 0);
  return context;
};

/** Two sums over all pixels of a rectangle, their transparency left aside; the same as in `picture.rs`. */
const sumsOf = (x, y, width, height) => {
  const words = new Uint32Array(readable().getImageData(x, y, width, height).data.buffer);
  let a = 0x811c9dc5, b = 0;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] & 0xffffff;
    a = Math.imul(a ^ word, 0x01000193);
    b = (Math.imul(b, 31) + word) | 0;
  }
  return `${a >>> 0} ${b >>> 0}`;
};

/** Waits until these are the sums of its pixels: how many ms that took, or null if it took longer than the limit. */
const becomes = async (sums, limit) => {
  const begin = performance.now();
  while (performance.now() - begin < limit) {
    const [width, height] = pixelsOf();
    if (width > 0 && sumsOf(0, 0, width, height) === sums) return performance.now() - begin;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return null;
};

/**
 * Calls back with each frame that is presented, and when that was: for a video when the browser handed it to its compositor,
 * for a canvas in each animation frame, after whoever painted in it (see `PAINTERS`). It ends when the callback returns false.
 */
const everyFrame = (look) => {
  if (isVideo) {
    const next = () => screen.requestVideoFrameCallback((_, frame) => { if (look(frame.presentationTime) !== false) next(); });
    return next();
  }
  const next = () => (window.nearhandAfterPainters ?? window.requestAnimationFrame)(() => { if (look(performance.now()) !== false) next(); });
  next();
};
