// Where a visitor goes next: after signing in to the page they came from, on this site and nowhere else; from the desk into a
// session, whose tab another origin may serve.

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

/**
 * The session's tab at another origin. All of it stands in the fragment, which browsers send to nobody: what the tab needs
 * to find the server and to come in, once, and whether it is the one to draw the last three digits, and
 * in which language this page is.
 */
export function addressElsewhere(viewer, { session, server, ticket, isNew, language }) {
  return `${viewer}/#session=${session}&server=${server}&ticket=${ticket}${isNew ? "&new" : ""}&language=${language}`;
}
