// The customer's page: reads the code, shows who helps, hands out the program with the code in its name.
// Of the code's nine digits the first six leave this page, in one question to the server; the last three never do.
import { caretAfter, codeInFragment, grouped, nameplate, readCode } from "./code.js";
import { SYSTEMS, archOf, downloadFor, fileName, linuxCommand, megabytes, startCommand, systemOf } from "./download.js";
import { copyOnClick, element } from "./element.js";
import { sequence, t, takeAlong } from "./words.js";

const byId = (id) => document.getElementById(id);
const input = byId("code");
const button = byId("code-continue");
const titles = { code: document.title, start: t("script.customer.start_title") };

/** The code that the page shows in its second step. */
let digits = "";

// Whoever chooses another language goes on where they were.
takeAlong(() => (digits !== "" && !byId("step-start").hidden ? `#${digits}` : ""));

/** What is wrong with a code as it was typed. */
const problemWords = ({ problem, digits: typed }) => t(`script.customer.problem.${problem}`, { count: typed.length });

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
  const read = readCode(input.value);
  input.value = grouped(read.digits);
  input.setSelectionRange(caretAfter(before), caretAfter(before));
  // What is too short yet may become right.
  showError(read.problem === "not_a_digit" || read.problem === "too_many" ? problemWords(read) : "");
});

byId("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});

async function submit() {
  if (button.getAttribute("aria-busy") === "true") return;
  const read = readCode(input.value);
  if (read.problem !== null) {
    showError(problemWords(read));
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
  button.querySelector("span").textContent = t(is ? "script.customer.checking" : "page.shared.continue");
  input.readOnly = is;
}

/** Asks the server who is behind the first six digits. */
async function ask(plate) {
  try {
    const response = await fetch(`/api/nameplates/${plate}`, { cache: "no-store", signal: AbortSignal.timeout(15_000) });
    if (response.ok) return { technician: (await response.json()).technician ?? {} };
    if (response.status === 404) return { error: t("script.customer.unknown") };
    if (response.status === 429) {
      const seconds = Number(response.headers.get("Retry-After")) || 60;
      return { error: t("script.customer.throttled", { count: seconds > 90 ? Math.ceil(seconds / 60) : 1 }) };
    }
    return { error: t("script.customer.server") };
  } catch {
    return { error: t("script.customer.offline") };
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
  byId("who-name").textContent = name || organisation || t("script.customer.no_name");
  byId("who-badge").textContent = t(named ? "page.customer.name_unverified" : "script.customer.name_unknown");
  byId("who-words").textContent = t(named ? "script.customer.named" : "script.customer.unnamed");
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
  byId("start-title").textContent = t(cannot ? "script.customer.cannot_title" : "page.customer.start_title");
  byId("start-lead").textContent = t(cannot ? "script.customer.cannot_lead" : "page.customer.start_lead");
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
  byId("download-words").textContent = t("script.customer.download_for", { system: SYSTEMS[found.system] ?? found.system });
  byId("download-facts").textContent = t("script.customer.download_facts", { size: megabytes(found.bytes) });
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
  const others = [...new Set(downloads.map((download) => SYSTEMS[download.system] ?? download.system))];
  const handheld = system === "android" || system === "ios";
  let title = t("script.customer.nothing_here");
  if (handheld) title = t("script.customer.nothing_handheld");
  else if (system === "linux") title = t("script.customer.nothing_linux");
  else if (named) title = t("script.customer.nothing_named", { system: named });
  let text = t("script.customer.nothing_text");
  if (handheld) text = t("script.customer.handheld_text");
  else if (others.length > 0 && system !== "linux") text = `${t("script.customer.runs_on", { systems: sequence(others) })} ${text}`;
  byId("nothing-title").textContent = title;
  byId("nothing-text").textContent = text;
  byId("nothing-link").hidden = !handheld;
  byId("nothing-link").querySelector(".address").textContent = location.host;
  reveal("get-nothing");
}

copyOnClick(byId("copy-linux"), () => byId("linux-command").textContent, "script.shared.copied_line");
copyOnClick(byId("copy-start"), () => byId("start-command").textContent, "script.shared.copied_line");
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
