// Which program this visitor needs, what its file is called, and how it is started.
import { decimal } from "./words.js";

/** What a visitor's system is called, and how the server's list of downloads names it. */
export const SYSTEMS = {
  linux: "Linux",
  windows: "Windows",
  macos: "macOS",
  chromeos: "ChromeOS",
  android: "Android",
  ios: "iOS",
};

/** The visitor's system as a key of `SYSTEMS`, or `null`; `navigator` is the browser's, or a test's own. */
export function systemOf(navigator) {
  const told = navigator.userAgentData?.platform ?? "";
  const agent = navigator.userAgent ?? "";
  const platform = navigator.platform ?? "";
  const all = `${told} ${platform} ${agent}`;
  // Android says "Linux" too, and iPads say "MacIntel": what is narrower is asked first.
  if (/android/i.test(all)) return "android";
  if (/iphone|ipad|ipod/i.test(all)) return "ios";
  if (/mac/i.test(platform) && (navigator.maxTouchPoints ?? 0) > 1) return "ios";
  if (/\bcros\b|chrome ?os/i.test(all)) return "chromeos";
  if (/win(dows|32|64|ce)/i.test(all)) return "windows";
  if (/mac/i.test(all)) return "macos";
  if (/linux|x11/i.test(all)) return "linux";
  return null;
}

/**
 * The visitor's processor as the server's list names it. Browsers hide it more and more: `x86_64` unless something
 * says otherwise.
 */
export function archOf(navigator) {
  const all = `${navigator.platform ?? ""} ${navigator.userAgent ?? ""}`;
  return /aarch64|arm64|armv8/i.test(all) ? "aarch64" : "x86_64";
}

/**
 * The download for a system and processor; `null` when the server has none that would run. Windows and macOS run
 * x86_64 programs on other processors too, Linux doesn't.
 */
export function downloadFor(downloads, system, arch) {
  const find = (wanted) => downloads.find((download) => download.system === system && download.arch === wanted);
  return find(arch) ?? (system === "linux" ? null : find("x86_64")) ?? null;
}

/**
 * The name under which the browser saves it: `nearhand-host-482913705@help.example.com_8443.exe`. The program reads
 * code and server from there (`protocol::code::NamedDownload`). A host that such a name can't carry (an IPv6 address)
 * is left out: the program then asks for it.
 */
export function fileName(digits, location, file) {
  const extension = /\.exe$/i.test(file) ? ".exe" : "";
  const host = location.hostname;
  if (!/^[a-z0-9.-]{1,253}$/i.test(host)) return `nearhand-host-${digits}${extension}`;
  const port = location.port === "" ? "" : `_${location.port}`;
  return `nearhand-host-${digits}@${host}${port}${extension}`;
}

/**
 * The line that makes a downloaded program executable on Linux and starts it. A program takes the server in its name
 * for https; where this page came without it (on the computer itself, for a try) the line says so.
 */
export function linuxCommand(name, origin) {
  const server = origin.startsWith("http://") ? ` --server ${origin}` : "";
  return `cd "$(xdg-user-dir DOWNLOAD)" && chmod +x ${name} && ./${name}${server}`;
}

/** The line for somebody who has the program already. */
export function startCommand(digits, origin) {
  return `nearhand-host --server ${origin} --code ${digits}`;
}

/** `1_900_000` → `"1.9 MB"`. */
export function megabytes(bytes) {
  return `${decimal(bytes / 1e6, bytes < 1e7 ? 1 : 0)} MB`;
}
