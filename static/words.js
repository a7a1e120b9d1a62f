// What scripts say, in the page's language: the texts that stand in the page's block `words`.

let texts = {};
let language = "en";
let rightToLeft = false;

/** Takes these texts from now on; `""` among them is what the language says of itself. */
export function take(given, tag) {
  texts = given;
  language = tag;
  rightToLeft = given[""]?.direction === "rtl";
}

if (typeof document !== "undefined") {
  const block = document.getElementById("words");
  if (block !== null) take(JSON.parse(block.textContent), document.documentElement.lang);
}

/** Whether there is a text with this key. */
export function has(key) {
  return Object.hasOwn(texts, key);
}

/**
 * The text with this key, with `values` in the places of their names; `count` chooses the form. A key that there is not
 * comes back as it is.
 */
export function t(key, values = {}) {
  return parts(key, values).join("");
}

/** The same in pieces, so that a value can be an element of the page. */
export function parts(key, values = {}) {
  let text = has(key) ? texts[key] : key;
  if (typeof text !== "string") text = text[new Intl.PluralRules(language).select(values.count)] ?? text.other;
  // Every other piece is the name of a place.
  return text.split(/\{(\w+)\}/).map((piece, index) => (index % 2 === 0 ? piece : shown(values[piece])));
}

/** Written from right to left, or saying which way others are. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]|\p{Script=Adlam}/u;

/** A text in a sentence: set apart where one of the two could turn the order of the other round (UAX 9, isolates). */
function shown(value) {
  if (typeof value !== "string" || (!rightToLeft && !TURNS.test(value))) return value ?? "";
  return `\u2068${value.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`;
}

/** `["a", "b", "c"]` → `"a, b and c"`. */
export function sequence(words) {
  if (words.length < 2) return words.join("");
  return t("script.shared.and", { list: words.slice(0, -1).join(t("script.shared.comma")), last: words.at(-1) });
}

/** A number with so many digits behind the mark that the language puts there. */
export function decimal(number, digits) {
  return number.toFixed(digits).replace(".", t("number.decimal"));
}

/** What the choice of another language takes along behind the `#` of the address, where browsers keep it to themselves. */
export function takeAlong(fragment) {
  const form = document.querySelector("form.languages");
  form?.addEventListener("submit", () => {
    form.action = `/language${fragment()}`;
  });
}
