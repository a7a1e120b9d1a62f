// Measures in the technician's tab: when which picture was presented. It reads pixels of decoded frames only, with
// WebCodecs, so that it costs the tab little; it changes nothing that the product does.
"use strict";
const screen = document.getElementById("screen");
const isVideo = screen instanceof HTMLVideoElement;

// The wall clock has whole milliseconds only: wait for its next step.
let step = Date.now();
while (Date.now() === step);
step = Date.now();
const wallOffset = step - performance.now();

let onFrame = null;
const everyFrame = (_, frame) => {
  onFrame?.(frame?.presentationTime ?? performance.now());
  next();
};
const next = () => (isVideo ? screen.requestVideoFrameCallback(everyFrame) : requestAnimationFrame((now) => everyFrame(now, null)));
next();

/** Brightness of a part of the picture that is shown now, rows one after the other. */
async function brightness(rect) {
  const frame = isVideo ? new VideoFrame(screen) : new VideoFrame(screen, { timestamp: 0 });
  try {
    const planar = frame.format === "I420" || frame.format === "NV12" || frame.format === "I420A";
    const bytes = new Uint8Array(frame.allocationSize({ rect }));
    const [{ offset, stride }] = await frame.copyTo(bytes, { rect });
    // In packed colours the second byte is green.
    const at = planar ? (x, y) => bytes[offset + y * stride + x] : (x, y) => bytes[offset + y * stride + 4 * x + 1];
    return at;
  } finally {
    frame.close();
  }
}

const CELL = 32;
async function timecode() {
  const at = await brightness({ x: 0, y: 14, width: CELL * 32, height: 4 });
  let word = 0;
  for (let cell = 0; cell < 32; cell += 1) word = (word * 2 + (at(cell * CELL + 16, 2) > 127 ? 1 : 0)) >>> 0;
  const [high, middle, low, check] = [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255];
  return (high ^ middle ^ low ^ 0xa5) === check ? word >>> 8 : null;
}

let ages = null;
let seen = new Set();
let unreadable = 0;
let begun = 0;
async function note(presented) {
  const code = await timecode();
  if (ages === null) return;
  if (code === null) {
    unreadable += 1;
  } else if (!seen.has(code)) {
    seen.add(code);
    const then = Math.round((wallOffset + presented) * 10) % 2 ** 24;
    const age = ((then - code + 2 ** 24) % 2 ** 24) / 10;
    ages.push(age > 800_000 ? age - 2 ** 24 / 10 : age);
  }
}

async function received() {
  const sums = { all: 0, video: 0, frames: 0 };
  for (const peer of window.nearhandPeers ?? []) {
    if (peer.connectionState !== "connected") continue;
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "transport") sums.all += report.bytesReceived;
      if (report.type === "inbound-rtp" && report.kind === "video") {
        sums.video += report.bytesReceived + (report.headerBytesReceived ?? 0);
        sums.frames += report.framesDecoded ?? 0;
      }
    }
  }
  return sums;
}

window.nearhandBench = {
  received,
  /** Begins to collect the age of each new time code when it is first presented. */
  begin() {
    ages = [];
    seen = new Set();
    unreadable = 0;
    begun = performance.now();
    onFrame = note;
  },
  end() {
    onFrame = null;
    const told = { ages, unreadable, seconds: (performance.now() - begun) / 1000 };
    ages = null;
    return told;
  },
  /** Gets ready for the next pointer press; `nearhandPress` then tells after how many ms the picture at x, y had another brightness. */
  async press(x, y) {
    const rect = { x: x & ~1, y: y & ~1, width: 2, height: 2 };
    const before = (await brightness(rect))(0, 0);
    let down = null;
    addEventListener("pointerdown", (event) => { down = event.timeStamp; }, { capture: true, once: true });
    const found = new Promise((resolve) => {
      let over = false;
      onFrame = async (presented) => {
        if (over || Math.abs((await brightness(rect))(0, 0) - before) < 40 || over) return;
        over = true;
        onFrame = null;
        resolve(down === null ? null : presented - down);
      };
      setTimeout(() => { if (!over) { over = true; onFrame = null; resolve(null); } }, 3000);
    });
    window.nearhandPress = found;
    return true;
  },
};
