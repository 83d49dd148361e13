// The commands that create the session which the form describes: curl, the script, manage.py.

import { harmlessJson, quote } from "./shell.js";

const TOOLS = {
  script: "scripts/hive-session-manager.sh",
  manage: "python manage.py hive",
};

/**
 * @param {object} given - task, priority, profile (empty: the default one), args (words), metadata
 *   (JSON text or empty), limits (texts by name), onUsageLimit, pool, onLost, start ("now", "later", "no"),
 *   notBefore (a time with its offset, for "later")
 * @param {string} origin - where the API is
 * @returns {{curl: object, script: object, manage: object}} each {text, later}: the command, and
 *   where the arguments of a session that is not started yet belong, the one that starts it
 */
export function commands(given, origin) {
  const wish = { ...given, task: whole(given.task), args: given.args.map(whole) };
  return {
    curl: { text: curl(wish, origin), later: "" },
    script: shell(wish, TOOLS.script),
    manage: shell(wish, TOOLS.manage),
  };
}

function curl(wish, origin) {
  const fields = [["task", text(wish.task)]];
  if (wish.priority !== "medium") fields.push(["priority", text(wish.priority)]);
  if (wish.profile) fields.push(["profile", text(wish.profile)]);
  if (wish.args.length) fields.push(["args", `[${wish.args.map(text).join(", ")}]`]);
  if (wish.metadata) fields.push(["metadata", wish.metadata]);
  const limits = Object.entries(wish.limits).map(([name, value]) => `${text(name)}: ${text(value)}`);
  if (limits.length) fields.push(["limits", `{${limits.join(", ")}}`]);
  if (wish.onUsageLimit) fields.push(["on_usage_limit", text(wish.onUsageLimit)]);
  if (wish.pool && wish.pool !== "default") fields.push(["pool", text(wish.pool)]);
  if (wish.onLost && wish.onLost !== "fail") fields.push(["on_lost", text(wish.onLost)]);
  if (wish.start !== "no") fields.push(["start", "true"]);
  if (wish.start === "later") fields.push(["not_before", text(wish.notBefore)]);
  const body = fields.map(([name, value]) => `  "${name}": ${value}`).join(",\n");
  // As a here-document the body needs no quoting, and no argument's limit holds. JSON has no line
  // that is only a word, so nothing in it can end it.
  return [
    `curl -sS ${quote(`${origin}/api/v1/sessions`)} \\`,
    '  -H "Authorization: Bearer $HIVE_TOKEN" \\',
    "  -H 'Content-Type: application/json' \\",
    "  --data-binary @- <<'JSON'",
    harmlessJson(`{\n${body}\n}`),
    "JSON",
  ].join("\n");
}

/** Half a character becomes the sign for one that is broken, as it does where a form is sent. */
function whole(value) {
  return value.toWellFormed?.() ?? value;
}

function text(value) {
  return JSON.stringify(value);
}

function shell(wish, tool) {
  const starts = wish.start !== "no";
  const at = wish.start === "later" ? ["--not-before", wish.notBefore] : [];
  const options = [];
  if (wish.profile) options.push("--profile", wish.profile);
  for (const [name, value] of Object.entries(wish.limits)) {
    options.push(`--${name.replaceAll("_", "-")}`, value);
  }
  if (wish.onUsageLimit) options.push("--on-usage-limit", wish.onUsageLimit);
  if (wish.pool && wish.pool !== "default") options.push("--pool", wish.pool);
  if (wish.onLost && wish.onLost !== "fail") options.push("--on-lost", wish.onLost);
  if (starts && !wish.args.length) options.push("--start", ...at);
  const words = options.length || wish.task.startsWith("-") ? [...options, "--"] : [];
  words.push(wish.task);
  if (words.length > 1 || wish.metadata || wish.priority !== "medium") words.push(wish.priority);
  if (wish.metadata) words.push(wish.metadata);
  const create = `${tool} create ${words.map(quote).join(" ")}`;
  if (!wish.args.length) return { text: create, later: "" };
  const more = [...(starts ? at : []), '"$id"'].map((word) => (word === '"$id"' ? word : quote(word)));
  const start = `${tool} start --detach ${[...more, ...wish.args.map(quote)].join(" ")}`;
  const make = `id=$(${create})`;
  return starts ? { text: `${make} &&\n${start}`, later: "" } : { text: make, later: start };
}
