// Tests of the parts that need no page: `node --test static/tests/`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

import * as code from "../code.js";
import * as download from "../download.js";
import * as duration from "../duration.js";
import { addressElsewhere, safeNext } from "../next.js";
import * as words from "../words.js";

const catalogue = (language) => JSON.parse(readFileSync(new URL(`../languages/${language}.json`, import.meta.url), "utf8"));

beforeEach(() => words.take(catalogue("en"), "en"));

test("a code is read as people write it", () => {
  for (const text of ["482913705", "482 913 705", " 482-913-705\n", "482.913.705", "482\u00a0913\u202f705", "\u200e482–913–705\u200b"]) {
    assert.deepEqual(code.readCode(text), { digits: "482913705", problem: null }, JSON.stringify(text));
  }
  assert.equal(code.nameplate("482913705"), "482913");
  assert.equal(code.secret("482913705"), "705");
});

test("what is no code is told apart", () => {
  const problem = (text) => code.readCode(text).problem;
  assert.equal(problem(""), "empty");
  assert.equal(problem(" - "), "empty");
  assert.equal(problem("48291370"), "too_few");
  assert.equal(problem("4829137055"), "too_many");
  assert.equal(problem("48291370x"), "not_a_digit");
  assert.equal(problem("٤٨٢٩١٣٧٠٥"), "not_a_digit");
  assert.equal(code.readCode("1".repeat(10_000)).digits.length, 32);
});

test("digits are shown in threes, also while they are typed", () => {
  const table = { "": "", 4: "4", 482: "482", 4829: "482 9", 482913: "482 913", 482913705: "482 913 705", 4829137055: "482 913 705 5" };
  for (const [digits, text] of Object.entries(table)) assert.equal(code.grouped(digits), text);
});

test("the caret stays behind the digit that was typed", () => {
  for (let count = 0; count <= 9; count += 1) {
    const before = code.grouped("482913705").slice(0, code.caretAfter(count));
    assert.equal(before.replace(/ /g, ""), "482913705".slice(0, count));
    assert.ok(!before.endsWith(" "));
  }
});

test("a code in a link's fragment", () => {
  assert.equal(code.codeInFragment("#482913705"), "482913705");
  assert.equal(code.codeInFragment("#482%20913%20705"), "482913705");
  for (const hash of ["", "#", "#4829", "#main", "#48291370x", "#%E0%A4%A"]) assert.equal(code.codeInFragment(hash), null, hash);
});

test("a secret is drawn without bias", () => {
  const drawFrom = (...values) => code.drawSecret((array) => (array[0] = values.shift()));
  assert.equal(drawFrom(0), "000");
  assert.equal(drawFrom(705), "705");
  assert.equal(drawFrom(64_999), "999");
  assert.equal(drawFrom(65_000, 65_535, 42), "042", "the last 536 values are drawn again");
  const seen = new Map();
  for (let value = 0; value < 65_536; value += 1) {
    const drawn = drawFrom(value, 0);
    if (value < 65_000) seen.set(drawn, (seen.get(drawn) ?? 0) + 1);
  }
  assert.equal(seen.size, 1000);
  assert.deepEqual(new Set(seen.values()), new Set([65]));
  assert.match(code.drawSecret(), /^\d{3}$/);
});

test("a visitor's system is recognised", () => {
  const table = [
    ["windows", { userAgentData: { platform: "Windows" }, platform: "Win32", userAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" }],
    ["macos", { platform: "MacIntel", maxTouchPoints: 0, userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)" }],
    ["ios", { platform: "MacIntel", maxTouchPoints: 5, userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)" }],
    ["ios", { platform: "iPhone", userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)" }],
    ["android", { platform: "Linux armv81", userAgent: "Mozilla/5.0 (Linux; Android 15; Pixel 8)" }],
    ["chromeos", { userAgentData: { platform: "Chrome OS" }, platform: "Linux x86_64", userAgent: "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)" }],
    ["linux", { platform: "Linux x86_64", userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)" }],
    [null, { platform: "", userAgent: "Mozilla/5.0 (PlayStation)" }],
    [null, {}],
  ];
  for (const [system, navigator] of table) assert.equal(download.systemOf(navigator), system, JSON.stringify(navigator));
});

test("the download for a system and processor", () => {
  const list = [
    { system: "linux", arch: "aarch64", file: "nearhand-host-linux-aarch64" },
    { system: "linux", arch: "x86_64", file: "nearhand-host-linux-x86_64" },
  ];
  assert.equal(download.downloadFor(list, "linux", "x86_64").file, "nearhand-host-linux-x86_64");
  assert.equal(download.downloadFor(list.slice(0, 1), "linux", "x86_64"), null, "it would not start");
  const windows = [{ system: "windows", arch: "x86_64", file: "nearhand-host-windows-x86_64.exe" }];
  assert.equal(download.downloadFor(windows, "windows", "aarch64"), windows[0], "it is emulated there");
  assert.equal(download.downloadFor(list, "windows", "x86_64"), null);
  assert.equal(download.downloadFor([], null, "x86_64"), null);
});

test("a download's name carries code and server", () => {
  const name = (address, file) => download.fileName("482913705", new URL(address), file);
  assert.equal(name("https://help.example.com/", "nearhand-host-windows-x86_64.exe"), "nearhand-host-482913705@help.example.com.exe");
  assert.equal(name("https://help.example.com:8443/", "nearhand-host-linux-x86_64"), "nearhand-host-482913705@help.example.com_8443");
  assert.equal(name("http://127.0.0.1:8080/", "nearhand-host-linux-x86_64"), "nearhand-host-482913705@127.0.0.1_8080");
  assert.equal(name("http://[::1]:8080/", "nearhand-host-linux-x86_64"), "nearhand-host-482913705");
});

test("commands name the code once and nothing that a shell would take apart", () => {
  const name = download.fileName("482913705", new URL("https://help.example.com:8443/"), "x");
  const command = `cd "$(xdg-user-dir DOWNLOAD)" && chmod +x ${name} && ./${name}`;
  assert.equal(download.linuxCommand(name, "https://help.example.com"), command);
  assert.equal(download.linuxCommand(name, "http://127.0.0.1:8080"), `${command} --server http://127.0.0.1:8080`);
  assert.match(name, /^[a-z0-9@._-]+$/);
  assert.equal(download.startCommand("482913705", "https://h.example"), "nearhand-host --server https://h.example --code 482913705");
});

test("sizes and durations in words", () => {
  assert.equal(download.megabytes(1_940_000), "1.9 MB");
  assert.equal(download.megabytes(12_400_000), "12 MB");
  assert.deepEqual([600, 65, 59.2, 0, -3].map(duration.countdown), ["10:00", "1:05", "1:00", "0:00", "0:00"]);
  assert.deepEqual([3, 61, 3599, 7300].map(duration.ago), ["just now", "1 min ago", "59 min ago", "2 h ago"]);
});

test("signing in leads to a page of this site only, and the fragment is kept apart", () => {
  const origin = "https://help.example.com";
  const session = "/session/0123456789abcdef0123456789abcdef";
  assert.deepEqual(safeNext(`${session}#705`, origin), { path: session, hash: "#705" });
  assert.deepEqual(safeNext("/desk?x=1", origin), { path: "/desk?x=1", hash: "" });
  for (const wanted of ["//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "desk", "", null, undefined, "/sign-in", "/\t/evil.example"]) {
    assert.deepEqual(safeNext(wanted, origin), { path: "/desk", hash: "" }, String(wanted));
  }
});

test("a session's tab elsewhere is told everything in the fragment", () => {
  const parts = { session: "6ba7", server: "https://help.example.com", ticket: "0a1b", language: "de" };
  const first = addressElsewhere("https://viewer.example", { ...parts, isNew: true });
  assert.equal(first, "https://viewer.example/#session=6ba7&server=https://help.example.com&ticket=0a1b&new&language=de");
  const again = new URL(addressElsewhere("https://viewer.example", { ...parts, isNew: false }));
  assert.equal(again.pathname + again.search, "/");
  assert.ok(!again.hash.includes("new"));
});

test("a text takes values, and the form for a number", () => {
  assert.equal(words.t("script.customer.problem.too_few", { count: 1 }), "A code has nine digits. This is only 1.");
  assert.equal(words.t("script.customer.problem.too_few", { count: 4 }), "A code has nine digits. These are only 4.");
  assert.deepEqual(words.parts("script.desk.tell", { host: 7 }), ["Say: “Go to ", 7, ", and type this code.”"]);
  assert.equal(words.t("script.desk.arrived_from", { machine: "{title} $&" }), "Your customer has arrived ({title} $&)");
  assert.equal(words.t("no.such.key"), "no.such.key");
  assert.deepEqual([words.has("toString"), words.has("number.decimal")], [false, true]);
  assert.deepEqual([["a"], ["a", "b"], ["a", "b", "c"], []].map(words.sequence), ["a", "a and b", "a, b and c", ""]);
});

test("German pages speak German", () => {
  words.take(catalogue("de"), "de");
  assert.equal(download.megabytes(1_940_000), "1,9 MB");
  assert.deepEqual([3, 61, 7300].map(duration.ago), ["gerade eben", "vor 1 Min.", "vor 2 Std."]);
  assert.equal(words.sequence(["Linux", "Windows", "macOS"]), "Linux, Windows und macOS");
});

test("a value never turns a sentence round", () => {
  const arrived = (machine) => words.t("script.desk.arrived_from", { machine });
  assert.equal(arrived("עדה"), "Your customer has arrived (\u2068עדה\u2069)");
  assert.equal(arrived("a\u202eb\u2069"), "Your customer has arrived (\u2068ab\u2069)");
  words.take({ ...catalogue("en"), "": { direction: "rtl" } }, "ar");
  assert.equal(arrived("desk-4"), "Your customer has arrived (\u2068desk-4\u2069)");
  words.take({ files: { one: "1", two: "2", few: "3", other: "{count}" } }, "ar");
  assert.deepEqual([1, 2, 5, 100].map((count) => words.t("files", { count })), ["1", "2", "3", "100"]);
});

