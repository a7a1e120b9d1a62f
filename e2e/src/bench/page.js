// Measures in the technician's tab: when which picture was presented. `screen.js` stands before it. It reads few pixels,
// and only when there may be new ones, so that it costs the tab little; it changes nothing that the product does.
"use strict";

// The wall clock has whole milliseconds only: wait for its next step.
let step = Date.now();
while (Date.now() === step);
step = Date.now();
const wallOffset = step - performance.now();

/** Green of a part of the picture that is shown now, by column and row. */
const green = (rect) => {
  const { data } = readable().getImageData(rect.x, rect.y, rect.width, rect.height);
  return (x, y) => data[4 * (y * rect.width + x) + 1];
};

let onFrame = null;
everyFrame((presented) => { onFrame?.(presented); });

const CELL = 32;
/** The clock that `at` shows, in 0.1 ms; null where it does not check. */
const codeIn = (at) => {
  let word = 0;
  for (let cell = 0; cell < 32; cell += 1) word = (word * 2 + (at(cell * CELL + 16, 0) > 127 ? 1 : 0)) >>> 0;
  const [high, middle, low, check] = [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255];
  return (high ^ middle ^ low ^ 0xa5) === check ? word >>> 8 : null;
};
const CLOCK = { x: 0, y: 14, width: CELL * 32, height: 2 };

let collected = null;
let bytes = [];
let counting = 0;
let seen = new Set();
function note(presented) {
  const code = codeIn(green(CLOCK));
  if (collected === null) return;
  if (code === null) {
    collected.unreadable += 1;
  } else if (!seen.has(code)) {
    seen.add(code);
    const then = Math.round((wallOffset + presented) * 10) % 2 ** 24;
    const age = ((then - code + 2 ** 24) % 2 ** 24) / 10;
    collected.ages.push(age > 800_000 ? age - 2 ** 24 / 10 : age);
    collected.times.push(wallOffset + presented);
  }
}

/** What came since the connection began: bytes of everything, bytes of picture, frames of video painted, updates painted. */
async function received() {
  const sums = { all: 0, picture: 0, frames: 0 };
  for (const peer of window.nearhandPeers ?? []) {
    if (peer.connectionState !== "connected") continue;
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "transport") sums.all += report.bytesReceived;
      if (report.type === "inbound-rtp" && report.kind === "video") {
        sums.picture += report.bytesReceived + (report.headerBytesReceived ?? 0);
      }
      if (report.type === "data-channel" && ["picture", "frames"].includes(report.label)) sums.picture += report.bytesReceived;
    }
  }
  sums.frames = Number(screen.dataset.frames ?? 0);
  sums.updates = Number(screen.dataset.updates ?? 0);
  return sums;
}

/** The collected ages since `begin`, or since the last time this was asked. */
const take = () => {
  const told = { ...collected, seconds: (performance.now() - collected.begun) / 1000 };
  collected = { ages: [], times: [], unreadable: 0, begun: performance.now() };
  return told;
};

window.nearhandBench = {
  received,
  /** Begins to collect the age of each new time code when it is first presented; with bytes four times a second, if asked. */
  begin(withBytes) {
    collected = { ages: [], times: [], unreadable: 0, begun: performance.now() };
    seen = new Set();
    onFrame = note;
    bytes = [];
    if (withBytes) counting = setInterval(async () => { bytes.push([wallOffset + performance.now(), (await received()).all]); }, 250);
  },
  take,
  /** When how many bytes had come. */
  bytes: () => bytes,
  end() {
    onFrame = null;
    clearInterval(counting);
    const told = take();
    collected = null;
    return told;
  },
  /** Gets ready for the next pointer press; `nearhandPress` then tells after how many ms the picture at x, y had another colour;
   * or, of a press that is answered here, in the tab's next task: what no answer from elsewhere can beat. */
  press(x, y, here) {
    const rect = { x: x & ~1, y: y & ~1, width: 2, height: 2 };
    const before = green(rect)(0, 0);
    const collecting = onFrame;
    let down = null;
    let answered = false;
    addEventListener("pointerdown", (event) => {
      down = event.timeStamp;
      setTimeout(() => { answered = true; });
    }, { capture: true, once: true });
    window.nearhandPress = new Promise((resolve) => {
      let over = false;
      const finish = (took) => {
        if (over) return;
        over = true;
        onFrame = collecting;
        resolve(took);
      };
      onFrame = (presented) => {
        collecting?.(presented);
        const changed = here ? answered : Math.abs(green(rect)(0, 0) - before) >= 40;
        if (changed && !over) finish(down === null ? null : presented - down);
      };
      setTimeout(() => finish(null), 3000);
    });
    return true;
  },
};
return true;
