// The technician's desk: makes sessions, shows them live, leads into them.
// The last three digits of a code are drawn here and kept in this tab's sessionStorage; no request carries them. Where
// another origin serves the session tab, that tab draws them: nothing that this server serves ever knows them.
import { NAMEPLATE_DIGITS, drawSecret, grouped } from "./code.js";
import { ago, countdown } from "./duration.js";
import { copyOnClick, element, setIcon, toast } from "./element.js";
import { addressElsewhere } from "./next.js";
import { has, parts, sequence, t } from "./words.js";

const byId = (id) => document.getElementById(id);
const list = byId("sessions");
const newSession = byId("new-session");

/** The cards on the page, by session. */
const cards = new Map();
/** Sessions that are being made: the list waits for them, or a new card would stand there without its secret. */
let making = 0;
let postponed = null;
/** The origin that serves the session tab; `null`: this one. */
let viewer = null;

// Secrets -----------------------------------------------------------------------------------------------------------

const secretKey = (session) => `nearhand.secret.${session}`;

function secretOf(session) {
  const kept = sessionStorage.getItem(secretKey(session));
  return kept !== null && /^\d{3}$/.test(kept) ? kept : null;
}

// The tab that is opened first draws the digits; which one that is, this tab remembers.
const undrawnKey = (session) => `nearhand.undrawn.${session}`;

// The server -----------------------------------------------------------------------------------------------------------

/** Why a request failed, in words for the technician. */
class Refusal extends Error {}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(15_000), ...options });
  } catch {
    throw new Refusal(t("script.desk.unreachable"));
  }
  if (response.status === 401) {
    location.assign("/sign-in?next=/desk");
    throw new Refusal(t("script.desk.signed_out"));
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    const key = `script.error.${answer.error}`;
    throw new Refusal(has(key) ? t(key) : t("script.desk.refused", { status: response.status }));
  }
  return response;
}

function showFailure(words) {
  byId("failed").hidden = words === "";
  byId("failed-text").textContent = words;
}

newSession.addEventListener("click", async () => {
  if (newSession.getAttribute("aria-busy") === "true") return;
  newSession.setAttribute("aria-busy", "true");
  making += 1;
  let made = null;
  try {
    made = await (await request("/api/sessions", { method: "POST" })).json();
    viewer = made.viewer;
    if (viewer === null) sessionStorage.setItem(secretKey(made.session), drawSecret());
    else sessionStorage.setItem(undrawnKey(made.session), "1");
    showFailure("");
  } catch (error) {
    showFailure(error instanceof Refusal ? error.message : t("script.desk.not_made"));
  }
  making -= 1;
  newSession.removeAttribute("aria-busy");
  if (postponed !== null) showSessions(postponed);
  if (made !== null) welcome(made);
});

/** Puts a new session on top, and the focus on it: the next thing to do is to read its code out. */
function welcome(made) {
  if (!cards.has(made.session)) {
    const fresh = { state: "waiting", host: null, held: 0, headless: false, age_s: 0, ...made };
    showSessions([fresh, ...[...cards.values()].map((card) => card.session)]);
  }
  const card = cards.get(made.session);
  card.root.focus({ preventScroll: true });
  card.root.scrollIntoView({ block: "nearest" });
  const secret = secretOf(made.session);
  say(secret === null ? t("script.desk.said_new_unknown") : t("script.desk.said_new", { code: spoken(made.nameplate + secret) }));
}

/** Digits one by one, with a pause after each three, for a screen reader. */
function spoken(digits) {
  return grouped(digits).split(" ").map((group) => group.split("").join(" ")).join(", ");
}

function say(words) {
  byId("said").textContent = words;
}

// One card ---------------------------------------------------------------------------------------------------------------

/** The look of a session's state. */
const KINDS = { waiting: "info", connecting: "accent", active: "success", interrupted: "warning", expired: "" };
/** By the bits of `protocol::grant::Rights`. */
const RIGHTS = ["view", "control", "files_in", "files_out", "clipboard_in", "clipboard_out", "facts", "record"];

/** A session on the page. It is changed in place: nothing jumps, and the focus stays where it is. */
class Card {
  constructor(session) {
    this.root = byId("session-card").content.firstElementChild.cloneNode(true);
    this.update(session);
    copyOnClick(this.part("copy-code"), () => grouped(this.digits()), "script.shared.copied_code");
    copyOnClick(this.part("copy-link"), () => `${location.origin}/#${this.digits()}`, "script.shared.copied_link");
    this.part("end").addEventListener("click", () => this.end());
    this.part("open").addEventListener("click", (event) => {
      if (viewer === null) return;
      event.preventDefault();
      this.openElsewhere();
    });
  }

  part(name) {
    return this.root.querySelector(`.${name}`);
  }

  digits() {
    return this.session.nameplate + (secretOf(this.session.session) ?? "");
  }

  update(session) {
    this.session = session;
    this.made = Date.now() - session.age_s * 1000;
    this.deadline = Date.now() + session.code_valid_s * 1000;
    const { state, host } = session;
    this.waiting = state === "waiting" && host === null;

    this.part("headless").hidden = !(session.headless || host?.headless);
    this.part("part-code").hidden = !this.waiting;
    this.part("part-host").hidden = this.waiting;
    this.root.classList.toggle("ready", host !== null && state !== "interrupted");
    if (this.waiting) this.showCode();
    else this.showHost();

    const secret = secretOf(session.session);
    this.part("open").href = `/session/${session.session}${secret === null ? "" : `#${secret}`}`;
    this.part("open").classList.toggle("primary", host !== null || secret !== null || viewer !== null);
    this.tick();
  }

  showCode() {
    const { nameplate, session } = this.session;
    const secret = secretOf(session);
    const code = this.part("code-display");
    const shown = `${grouped(nameplate)} ${secret ?? "•••"}`;
    if (code.dataset.shown !== shown) {
      code.dataset.shown = shown;
      const groups = shown.split(" ").map((group) => element("span", { class: group === "•••" ? "unknown" : null }, group));
      code.replaceChildren(...groups);
      code.setAttribute("aria-label", t(secret === null ? "script.desk.code_spoken_part" : "script.desk.code_spoken", { code: spoken(nameplate + (secret ?? "")) }));
    }
    const undrawn = sessionStorage.getItem(undrawnKey(session)) !== null;
    let tell = "script.desk.tell";
    if (undrawn) tell = "script.desk.tell_undrawn";
    else if (secret === null && viewer !== null) tell = "script.desk.tell_in_tab";
    else if (secret === null) tell = "script.desk.tell_elsewhere";
    this.part("tell").replaceChildren(...parts(tell, { host: element("strong", {}, location.host) }));
  }

  showHost() {
    const { host, held, state } = this.session;
    this.part("copy-link").hidden = true;
    this.part("machine").textContent = host?.machine || t(host ? "script.desk.machine" : "script.desk.away");
    this.part("system").textContent = host?.system || "";
    const rights = RIGHTS.filter((_, bit) => held & (1 << bit)).map((right) => t(`script.desk.right.${right}`));
    let words = t("script.desk.nothing_allowed");
    if (state === "interrupted") words = t("script.desk.broken");
    else if (rights.length > 0) words = t("script.desk.may", { rights: sequence(rights) });
    else if (state === "connecting") words = t("script.desk.go_on");
    this.part("rights").textContent = words;
    setIcon(this.part("host-icon"), host === null ? "monitor-off" : "monitor");
  }

  /** What changes by time alone; called each second. */
  tick() {
    const left = (this.deadline - Date.now()) / 1000;
    const expired = this.waiting && left <= 0;
    this.root.classList.toggle("expired", expired);
    this.root.classList.toggle("interrupted", this.session.state === "interrupted");
    this.part("tell").hidden = expired;
    this.part("open").hidden = expired;
    setText(this.part("end").querySelector("span"), t(expired ? "script.desk.remove" : "page.shared.end"));
    const name = expired ? "expired" : this.session.state;
    const words = name in KINDS ? t(`script.desk.state.${name}`) : name;
    const state = this.part("state");
    if (state.textContent !== words) {
      state.className = `badge dot state ${KINDS[name] ?? ""}`;
      state.textContent = words;
    }
    setText(this.part("age"), ago((Date.now() - this.made) / 1000));
    if (!this.waiting) return;
    this.part("validity").classList.toggle("soon", !expired && left < 60);
    setText(this.part("validity-text"), expired ? t("script.desk.unused") : t("script.desk.valid_for", { time: countdown(left) }));
    const shareable = !expired && secretOf(this.session.session) !== null;
    for (const button of [this.part("copy-code"), this.part("copy-link")]) button.hidden = !shareable;
  }

  /** Opens the session's tab at the other origin, with a ticket in the place of the cookie that it doesn't get. */
  async openElsewhere() {
    const { session } = this.session;
    // Now, at the click: once the ticket is there, browsers let no page open a tab any more.
    const tab = window.open("", "_blank");
    if (tab === null) {
      showFailure(t("script.desk.blocked"));
      return;
    }
    try {
      const { ticket } = await (await request(`/api/sessions/${session}/tickets`, { method: "POST" })).json();
      const isNew = sessionStorage.getItem(undrawnKey(session)) !== null;
      sessionStorage.removeItem(undrawnKey(session));
      tab.opener = null;
      tab.location.replace(addressElsewhere(viewer, { session, server: location.origin, ticket, isNew, language: document.documentElement.lang }));
      showFailure("");
      this.update(this.session);
    } catch (error) {
      tab.close();
      showFailure(error instanceof Refusal ? error.message : t("script.desk.not_opened"));
    }
  }

  async end() {
    if (!(await confirmEnd(t(this.waiting ? "script.desk.end_waiting" : "script.desk.end_running")))) return;
    try {
      await request(`/api/sessions/${this.session.session}`, { method: "DELETE" });
    } catch (error) {
      // Somebody else ended it in the meantime: that is what was wanted.
      toast(error instanceof Refusal ? error.message : t("script.desk.not_ended"), { kind: "danger", name: "triangle-alert" });
      poll().catch(() => {});
      return;
    }
    forget(this.session.session);
    arrange();
    newSession.focus();
    toast(t("script.desk.ended"), { name: "check" });
  }
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function confirmEnd(text) {
  const dialog = byId("end-dialog");
  byId("end-text").textContent = text;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "end"), { once: true });
  });
}

// The list ---------------------------------------------------------------------------------------------------------------

function showSessions(sessions) {
  if (making > 0) {
    postponed = sessions;
    return;
  }
  postponed = null;
  const present = new Set(sessions.map((session) => session.session));
  for (const session of [...cards.keys()]) if (!present.has(session)) forget(session);
  for (const session of sessions) {
    const card = cards.get(session.session);
    if (card === undefined) {
      cards.set(session.session, new Card(session));
    } else {
      const arrived = card.session.host === null && session.host !== null && card.session.state === "waiting";
      card.update(session);
      if (arrived) announce(session);
    }
  }
  arrange();
}

function forget(session) {
  cards.get(session)?.root.remove();
  cards.delete(session);
  sessionStorage.removeItem(secretKey(session));
  sessionStorage.removeItem(undrawnKey(session));
}

/** Newest first. Only cards at a wrong place are moved: moving one takes its focus away. */
function arrange() {
  const sorted = [...cards.values()].sort((a, b) => a.session.age_s - b.session.age_s);
  sorted.forEach((card, place) => {
    if (list.children[place] !== card.root) list.insertBefore(card.root, list.children[place] ?? null);
  });
  list.hidden = cards.size === 0;
  byId("empty").hidden = cards.size > 0;
}

function showTechnician(technician) {
  setText(byId("organisation"), technician?.organisation ?? "");
  setText(byId("technician"), technician?.name ?? "");
}

setInterval(() => cards.forEach((card) => card.tick()), 1000);
for (const each of document.querySelectorAll(".this-host")) each.textContent = location.host;

// News from the server -----------------------------------------------------------------------------------------------------

function receive(answer) {
  viewer = answer.viewer;
  showTechnician(answer.technician);
  showSessions(answer.sessions);
}

async function poll() {
  receive(await (await request("/api/sessions")).json());
}

/** Follows the server's events; ends when they break off, or when none comes within 5 s (a proxy that holds them back). */
function stream() {
  return new Promise((resolve) => {
    const events = new EventSource("/api/sessions/events");
    const stop = () => {
      clearTimeout(silence);
      events.close();
      resolve();
    };
    const silence = setTimeout(stop, 5000);
    events.addEventListener("sessions", (event) => {
      clearTimeout(silence);
      showLive(true);
      receive(JSON.parse(event.data));
    });
    events.addEventListener("error", stop);
  });
}

/** Follows for as long as the page lives: events, and between two attempts one question, so that nothing is stale. */
async function follow() {
  for (let failures = 0; ; ) {
    await stream();
    try {
      await poll();
      failures = 0;
    } catch {
      failures += 1;
      showLive(false);
    }
    const longest = Math.min(1000 * 2 ** failures, 15_000);
    await new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
  }
}

function showLive(live) {
  const badge = byId("live");
  setText(badge, t(live ? "script.desk.live" : "script.desk.reconnecting"));
  badge.className = `badge dot ${live ? "success" : "warning"}`;
}

// A laptop that was asleep shows what holds now, at once.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") poll().catch(() => {});
});

follow();

// A customer arrives ----------------------------------------------------------------------------------------------------------

const title = document.title;

function announce(session) {
  const { machine } = session.host;
  const arrived = machine ? t("script.desk.arrived_from", { machine }) : t("script.desk.arrived");
  say(arrived);
  if (document.visibilityState === "visible" && document.hasFocus()) {
    toast(arrived, { name: "monitor-check" });
    return;
  }
  document.title = t("script.desk.arrived_title", { title });
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  // Neither code nor session in it: the system may show it on a locked screen and keep it.
  const shown = new Notification(t("script.desk.arrived"), { body: t("script.desk.arrived_open"), icon: "/static/logo.svg", tag: session.session });
  shown.addEventListener("click", () => {
    window.focus();
    cards.get(session.session)?.root.focus();
    shown.close();
  });
}

window.addEventListener("focus", () => {
  document.title = title;
});

const notify = byId("notify");
notify.hidden = !("Notification" in window) || !window.isSecureContext || Notification.permission !== "default";
notify.addEventListener("click", async () => {
  const answer = await Notification.requestPermission();
  notify.hidden = answer !== "default";
  if (answer === "granted") toast(t("script.desk.will_be_told"), { name: "bell" });
});

// Signing out -----------------------------------------------------------------------------------------------------------------

byId("sign-out").addEventListener("click", async () => {
  // A redirect is an answer too, and need not be followed.
  const answer = await fetch("/sign-out", { method: "POST", redirect: "manual" }).catch(() => null);
  if (answer === null || answer.status >= 400) {
    toast(t("script.desk.still_signed_in"), { kind: "danger", name: "triangle-alert" });
    return;
  }
  sessionStorage.clear();
  location.assign("/sign-in");
});
