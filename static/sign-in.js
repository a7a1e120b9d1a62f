// Signing in: prefills what a link carries, shows errors, and keeps the fragment of the wanted page in this browser.
import { setIcon } from "./element.js";
import { safeNext } from "./next.js";
import { has, t, takeAlong } from "./words.js";

const byId = (id) => document.getElementById(id);
const form = byId("sign-in");
const token = byId("token");
const show = byId("show");

/** Where to go afterwards survives a wrong token in this tab. */
const KEPT = "nearhand.next";

const query = new URLSearchParams(location.search);
const fragment = location.hash.slice(1);
const carried = new URLSearchParams(fragment);
takeAlong(() => (fragment === "" ? "" : `#${fragment}`));

const error = query.get("error");
if (error !== null) {
  const key = `script.sign_in.${error}`;
  byId("error-text").textContent = t(has(key) ? key : "script.sign_in.failed");
  byId("error").hidden = false;
  token.setAttribute("aria-invalid", "true");
}

if (carried.has("token")) {
  token.value = carried.get("token");
  byId("submit").focus();
}

const next = safeNext(wanted(), location.origin);

/**
 * A link names it in its fragment; the server names it in the query, and a browser hands the fragment of the page
 * that was asked for on to this one (RFC 9110, 10.2.2).
 */
function wanted() {
  if (carried.has("next")) return carried.get("next");
  if (query.has("next")) return query.get("next") + (/^(\d{3}|invitation=[\w.-]{1,40})$/.test(fragment) ? `#${fragment}` : "");
  return error === null ? null : sessionStorage.getItem(KEPT);
}

// The fragment can hold a token, a code's last three digits or an invitation: none stays in the bar.
history.replaceState(null, "", location.pathname + location.search);

// The server is told the path only. The fragment goes with the form's own address, where the browser keeps it to
// itself and puts it behind the address that the server redirects to.
byId("next").value = next.path;
form.action = `/sign-in${next.hash}`;

form.addEventListener("submit", () => {
  sessionStorage.setItem(KEPT, next.path + next.hash);
  // A password manager, and the browser's own memory, see a password field.
  token.type = "password";
});

show.addEventListener("click", () => {
  const visible = token.type === "password";
  token.type = visible ? "text" : "password";
  show.setAttribute("aria-pressed", String(visible));
  setIcon(show, visible ? "eye-off" : "eye");
  token.focus();
});
