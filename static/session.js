// Loads the session tab. What it does is in the crate `viewer-wasm`.

import init, { start } from "/viewer/nearhand_viewer.js";

try {
  await init();
  start();
} catch (error) {
  document.body.dataset.phase = "broken";
  document.getElementById("status").textContent = "Stopped";
  document.getElementById("heading").textContent = "The session can’t be opened";
  document.getElementById("explanation").textContent =
    "Reload the page. If that does not help, try a current Chromium, Chrome or Edge, and report the text below.";
  const defect = document.getElementById("defect");
  defect.textContent = error instanceof Error ? error.message : String(error);
  for (const id of ["defect", "reload", "to-desk"]) document.getElementById(id).hidden = false;
}
