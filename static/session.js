// Loads the session tab. What it does is in the crate `viewer-wasm`.

import init, { start } from "/viewer/nearhand_viewer.js";

const words = JSON.parse(document.getElementById("words").textContent);

try {
  await init();
  start();
} catch (error) {
  document.body.dataset.phase = "broken";
  document.getElementById("status").textContent = words["tab.status.broken"];
  document.getElementById("heading").textContent = words["tab.heading.not_opened"];
  document.getElementById("explanation").textContent = words["tab.explanation.not_opened"];
  const defect = document.getElementById("defect");
  defect.textContent = error instanceof Error ? error.message : String(error);
  for (const id of ["defect", "reload", "to-desk"]) document.getElementById(id).hidden = false;
}
