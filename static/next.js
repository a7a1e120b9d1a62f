// Where a visitor goes after signing in: the page they came from, on this site and nowhere else.

/**
 * Splits a wanted address into what the server may know (`path`) and the fragment that stays in the browser (`hash`:
 * it can hold a code's last three digits). Anything that is no path of this site becomes `/desk`.
 */
export function safeNext(wanted, origin) {
  const nowhere = { path: "/desk", hash: "" };
  if (typeof wanted !== "string" || !/^\/(?![/\\])/.test(wanted)) return nowhere;
  let address;
  try {
    address = new URL(wanted, origin);
  } catch {
    return nowhere;
  }
  if (address.origin !== origin || /^\/sign-(in|out)\b/.test(address.pathname)) return nowhere;
  return { path: address.pathname + address.search, hash: address.hash };
}
