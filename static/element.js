// Small pieces of a page made from script: elements, icons, toasts, copy buttons.
import { t } from "./words.js";

/** `element("p", { class: "muted", hidden: true }, "text", child)`; a key with a dash or `class`/`role` is an attribute. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of `icons.svg`. It says nothing to a screen reader: words stand beside it, or label its button. */
export function icon(name, classes = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${classes}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** Another icon in the place of the one that `parent` shows. */
export function setIcon(parent, name) {
  parent.querySelector("use")?.setAttribute("href", `/static/icons.svg#${name}`);
}

/** Shows a short message in the page's `.toast-stack`, which reads it out, for `seconds`. */
export function toast(message, { kind = "", name = "info", seconds = 6 } = {}) {
  const stack = document.querySelector(".toast-stack");
  if (!stack) return;
  const shown = element("div", { class: `toast ${kind}`.trim() }, icon(name), element("span", {}, message));
  stack.append(shown);
  // At most three stand: the oldest goes first.
  while (stack.children.length > 3) stack.firstElementChild.remove();
  setTimeout(() => shown.remove(), seconds * 1000);
}

/** Copies a text; says whether that worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No permission, or no secure context: the old way still works there.
    const area = element("textarea", { class: "visually-hidden", readonly: true, "aria-hidden": "true" });
    area.value = text;
    const focused = document.activeElement;
    // In a modal dialog nothing outside it can take the focus.
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return copied;
  }
}

/**
 * Makes a button copy what `text()` says at that moment; its icon turns into a check mark for two seconds. `said` is the
 * key of what the page says then.
 */
export function copyOnClick(button, text, said) {
  const usual = button.querySelector("use")?.getAttribute("href").split("#")[1] ?? "copy";
  let timer = 0;
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    toast(t(copied ? said : "script.shared.not_copied"), { name: copied ? "check" : "info", seconds: 3 });
    if (!copied) return;
    setIcon(button, "check");
    clearTimeout(timer);
    timer = setTimeout(() => setIcon(button, usual), 2000);
  });
}
