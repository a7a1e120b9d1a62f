// The nine digits in a browser: reading them as people write them, showing them, drawing the last three.
// The server may be told `nameplate(digits)` only; `secret(digits)` stays in this browser.

export const NAMEPLATE_DIGITS = 6;
export const SECRET_DIGITS = 3;
export const CODE_DIGITS = NAMEPLATE_DIGITS + SECRET_DIGITS;

/** Whatever stands between digits when people write or paste them. */
const SEPARATORS = /[\s.\-\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060\ufeff]/gu;

/**
 * Reads a code. `problem` is `null`, `"empty"`, `"not_a_digit"`, `"too_few"` or `"too_many"`; `digits` are those that
 * were found, at most 32 of them.
 */
export function readCode(text) {
  const bare = text.replace(SEPARATORS, "");
  const digits = bare.replace(/[^0-9]/g, "").slice(0, 32);
  let problem = null;
  if (bare === "") problem = "empty";
  else if (/[^0-9]/.test(bare)) problem = "not_a_digit";
  else if (digits.length < CODE_DIGITS) problem = "too_few";
  else if (digits.length > CODE_DIGITS) problem = "too_many";
  return { digits, problem };
}

/** `"482913705"` → `"482 913 705"`; also for a code that is not complete yet. */
export function grouped(digits) {
  return digits.replace(/(\d{3})(?=\d)/g, "$1 ");
}

/** Where the caret stands in `grouped(…)` when `count` digits are in front of it. */
export function caretAfter(count) {
  return count === 0 ? 0 : count + Math.floor((count - 1) / 3);
}

/** The part that finds the room at the server. */
export function nameplate(digits) {
  return digits.slice(0, NAMEPLATE_DIGITS);
}

/** The part that the server never learns. */
export function secret(digits) {
  return digits.slice(NAMEPLATE_DIGITS, CODE_DIGITS);
}

/** The code in the fragment of a link such as `https://server/#482913705`, or `null`. */
export function codeInFragment(hash) {
  let text = hash.replace(/^#/, "");
  try {
    text = decodeURIComponent(text);
  } catch {
    return null;
  }
  const { digits, problem } = readCode(text);
  return problem === null ? digits : null;
}

/**
 * Draws a secret without bias: of the 65,536 values of two random bytes the last 536 are drawn again, since they would
 * make the lowest secrets likelier than the others. `fill` is `crypto.getRandomValues`, or a test's own.
 */
export function drawSecret(fill = (array) => crypto.getRandomValues(array)) {
  const count = 10 ** SECRET_DIGITS;
  const limit = 65_536 - (65_536 % count);
  const random = new Uint16Array(1);
  do {
    fill(random);
  } while (random[0] >= limit);
  return String(random[0] % count).padStart(SECRET_DIGITS, "0");
}
