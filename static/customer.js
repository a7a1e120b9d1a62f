// The customer's page: reads the code, shows who helps, hands out the program with the code in its name.
// Of the code's nine digits the first six leave this page, in one question to the server; the last three never do.
import { caretAfter, codeInFragment, grouped, nameplate, readCode } from "./code.js";
import { SYSTEMS, archOf, downloadFor, fileName, linuxCommand, megabytes, startCommand, systemOf } from "./download.js";
import { copyOnClick, element } from "./element.js";

const byId = (id) => document.getElementById(id);
const input = byId("code");
const button = byId("code-continue");
const titles = { code: document.title, start: "Start the helper program · Nearhand" };

/** The code that the page shows in its second step. */
let digits = "";

const WORDS = {
  empty: "Please type the code that your helper gave you.",
  not_a_digit: "A code has digits only. Please look at it again.",
  too_few: (count) => `A code has nine digits. ${count === 1 ? "This is" : "These are"} only ${count}.`,
  too_many: (count) => `A code has nine digits. These are ${count}.`,
  unknown: "This code doesn’t work. It is wrong, used or too old. Check it, or ask for a new one.",
  throttled: (seconds) => `Too many attempts. Please wait ${seconds > 90 ? `${Math.ceil(seconds / 60)} minutes` : "a minute"}, then try again.`,
  offline: "We can’t reach the server. Check your internet connection, then try again.",
  server: "Something went wrong on our side. Please try again in a moment.",
};

// Step 1: the code --------------------------------------------------------------------------------------------------

function showError(words) {
  byId("code-hint").hidden = words !== "";
  byId("code-error").hidden = words === "";
  byId("code-error-text").textContent = words;
  if (words === "") {
    input.removeAttribute("aria-invalid");
  } else {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

/** Groups the digits while they are typed; the caret stays behind the same digit. */
input.addEventListener("input", (event) => {
  if (event.isComposing) return;
  const before = readCode(input.value.slice(0, input.selectionStart)).digits.length;
  const { digits: typed, problem } = readCode(input.value);
  input.value = grouped(typed);
  input.setSelectionRange(caretAfter(before), caretAfter(before));
  showError(problem === "not_a_digit" ? WORDS.not_a_digit : problem === "too_many" ? WORDS.too_many(typed.length) : "");
});

byId("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});

async function submit() {
  if (button.getAttribute("aria-busy") === "true") return;
  const read = readCode(input.value);
  if (read.problem !== null) {
    const words = WORDS[read.problem];
    showError(typeof words === "string" ? words : words(read.digits.length));
    return;
  }
  showError("");
  busy(true);
  // Both at once, so that the second step stands complete when it appears.
  const [answer, downloads] = await Promise.all([ask(nameplate(read.digits)), askDownloads()]);
  busy(false);
  if (answer.error) {
    showError(answer.error);
    return;
  }
  digits = read.digits;
  showTechnician(answer.technician);
  offerProgram(downloads);
  show("start");
  byId("start-title").focus();
  history.pushState({ step: "start" }, "");
}

function busy(is) {
  button.setAttribute("aria-busy", String(is));
  button.querySelector("span").textContent = is ? "Checking…" : "Continue";
  input.readOnly = is;
}

/** Asks the server who is behind the first six digits. */
async function ask(plate) {
  try {
    const response = await fetch(`/api/nameplates/${plate}`, { cache: "no-store", signal: AbortSignal.timeout(15_000) });
    if (response.ok) return { technician: (await response.json()).technician ?? {} };
    if (response.status === 404) return { error: WORDS.unknown };
    if (response.status === 429) return { error: WORDS.throttled(Number(response.headers.get("Retry-After")) || 60) };
    return { error: WORDS.server };
  } catch {
    return { error: WORDS.offline };
  }
}

// Step 2: who helps, and the program ----------------------------------------------------------------------------------

function show(step) {
  byId("step-code").hidden = step !== "code";
  byId("step-start").hidden = step !== "start";
  document.title = titles[step];
  window.scrollTo(0, 0);
}

function showTechnician(technician) {
  const name = (technician.name ?? "").trim();
  const organisation = (technician.organisation ?? "").trim();
  const named = name !== "" || organisation !== "";
  byId("who-name").textContent = name || organisation || "No name given";
  byId("who-badge").textContent = named ? "Name not verified" : "Name not known";
  byId("who-words").textContent = named
    ? "This is how the helper’s own server names them. We can’t check it. Is this the person you are talking to? If not, stop here."
    : "The server doesn’t say who this is. Ask the person you are talking to. If you are not sure, stop here.";
  byId("who-organisation").textContent = name && organisation ? organisation : "";
  byId("who-initials").textContent = initials(name || organisation || "?");
  byId("shown-code").textContent = grouped(digits);
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  const picked = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return picked.map((word) => [...word][0].toUpperCase()).join("");
}

/** The programs that the server has; `null` when it doesn't say. */
async function askDownloads() {
  try {
    const response = await fetch("/api/downloads", { signal: AbortSignal.timeout(15_000) });
    return response.ok ? ((await response.json()).downloads ?? []) : null;
  } catch {
    return null;
  }
}

/** Shows one of the three ends of the second step: the program, that there is none, or that the server didn't answer. */
function reveal(id) {
  for (const each of ["get-program", "get-nothing", "get-failed"]) byId(each).hidden = each !== id;
  const cannot = id === "get-nothing";
  byId("step-start").classList.toggle("cannot", cannot);
  byId("start-title").textContent = cannot ? "Your code is right" : "Ready when you are";
  byId("start-lead").textContent = cannot
    ? "But help can’t start on this device."
    : "First see who is going to help you. Then start the helper program.";
}

function offerProgram(downloads) {
  if (downloads === null) {
    reveal("get-failed");
    return;
  }
  const system = systemOf(navigator);
  const found = downloadFor(downloads, system, archOf(navigator));
  if (found === null) offerNothing(system, downloads);
  else offer(found);
}

function offer(found) {
  const name = fileName(digits, location, found.file);
  const link = byId("download");
  link.href = `/download/${encodeURIComponent(found.file)}`;
  link.download = name;
  byId("download-words").textContent = `Download for ${SYSTEMS[found.system] ?? found.system}`;
  byId("download-facts").textContent = `${megabytes(found.bytes)} · nothing is installed`;
  byId("download-sha256").textContent = found.sha256 ?? "";
  showCommand(byId("linux-command"), linuxCommand(name, location.origin));
  byId("start-command").textContent = startCommand(digits, location.origin);
  for (const each of ["linux", "windows", "macos"]) byId(`start-${each}`).hidden = each !== found.system;
  reveal("get-program");
}

/** One part on each line; whoever selects and copies them gets a command that works, too. */
function showCommand(place, command) {
  const parts = command.split(" && ");
  const lines = parts.map((part, index) => (index < parts.length - 1 ? `${part} && ` : part));
  place.replaceChildren(...lines.map((line) => element("span", { class: "line" }, line)));
}

function offerNothing(system, downloads) {
  const named = SYSTEMS[system];
  const others = [...new Set(downloads.map((download) => SYSTEMS[download.system] ?? download.system))].join(" and ");
  const handheld = system === "android" || system === "ios";
  let title = "There is no program for this system yet";
  if (handheld) title = "Please use your computer";
  else if (system === "linux") title = "There is no program for this computer yet";
  else if (named) title = `Nearhand doesn’t work on ${named} yet`;
  let text = "Please tell your helper. They will find another way to help you. You did nothing wrong.";
  if (handheld) text = "Nearhand can’t show the screen of a phone or tablet. It helps on a computer.";
  else if (others && system !== "linux") text = `We are working on it. For now it runs on ${others} only. ${text}`;
  byId("nothing-title").textContent = title;
  byId("nothing-text").textContent = text;
  byId("nothing-link").hidden = !handheld;
  byId("nothing-link").querySelector(".address").textContent = location.host;
  reveal("get-nothing");
}

copyOnClick(byId("copy-linux"), () => byId("linux-command").textContent, "Line");
copyOnClick(byId("copy-start"), () => byId("start-command").textContent, "Line");
byId("get-again").addEventListener("click", async () => offerProgram(await askDownloads()));
byId("other-code").addEventListener("click", () => history.back());

// Going back, and links that carry a code -------------------------------------------------------------------------------

window.addEventListener("popstate", (event) => {
  if (event.state?.step === "start" && digits !== "") {
    show("start");
  } else {
    show("code");
    input.select();
    input.focus();
  }
});

/** Takes a code out of the address: it is used once and then stands in no bar, history entry or bookmark. */
function takeFromAddress() {
  const found = codeInFragment(location.hash);
  if (found === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  input.value = grouped(found);
  show("code");
  submit();
}

window.addEventListener("hashchange", takeFromAddress);
takeFromAddress();
