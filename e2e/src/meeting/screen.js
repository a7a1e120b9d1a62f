// What stories and measurements ask of the picture in the tab. It goes before each of their scripts, as part of the same
// function; it changes nothing that the product does.
const screen = document.getElementById("screen");

/** How often it was painted since the page was opened: frames of video, and updates with exact pixels. */
const paintedOf = () => (screen ? Number(screen.dataset.frames ?? 0) + Number(screen.dataset.updates ?? 0) : 0);

/** The picture's own size in pixels; none where nothing was painted yet. */
const pixelsOf = () => (paintedOf() > 0 ? [screen.width, screen.height] : [0, 0]);

/** Whether a person sees it just now. */
const isShown = () => Boolean(screen) && screen.checkVisibility() && pixelsOf()[0] > 0;

/** The canvas's own context, to be read with `getImageData`. Not before something was painted: whoever is first chooses how it works. */
const readable = () => screen.getContext("2d");

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
 * Calls back in each animation frame with the time by then, until the callback returns false. The painter paints when
 * something comes, never in an animation frame: what the canvas holds then is what the browser takes to its compositor.
 */
const everyFrame = (look) => {
  const next = () => requestAnimationFrame(() => { if (look(performance.now()) !== false) next(); });
  next();
};
