// Lines of stream-json as messages that people read; the raw line is one press away.

// Longer texts are shown so far; the raw line has all of it.
const MAX_TEXT = 20_000;
const MAX_HINT = 160;
// Names of tools by the ids of their calls, for the results that follow.
const MAX_CALLS = 500;
const calls = new Map();
// What says most about a call, in a tool's input.
const HINTS = ["command", "description", "file_path", "path", "pattern", "query", "url", "prompt"];

/** A message's element, or null where the text is none. */
export function foldedMessage(text) {
  let told;
  try {
    told = JSON.parse(text);
  } catch {
    return null;
  }
  const parts = told && typeof told === "object" ? partsOf(told) : null;
  if (!parts) return null;
  const message = element("div", `msg msg-${told.type}`);
  message.append(...parts, rawText(text));
  return message;
}

function partsOf(told) {
  if (told.type === "assistant" || told.type === "user") {
    const content = told.message?.content;
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : content;
    if (!Array.isArray(blocks)) return null;
    return blocks.flatMap((block) => blockOf(told.type, block));
  }
  if (told.type === "result") return resultOf(told);
  if (told.type === "system") return systemOf(told);
  return null;
}

function blockOf(role, block) {
  if (!block || typeof block !== "object") return [];
  if (block.type === "text") return [labelled(role === "user" ? "User" : "Assistant", block.text)];
  if (block.type === "thinking") return [collapsed("Thinking", "", block.thinking)];
  if (block.type === "tool_use") {
    const name = String(block.name ?? "tool");
    if (calls.size > MAX_CALLS) calls.delete(calls.keys().next().value);
    calls.set(block.id, name);
    return [collapsed(name, hintOf(block.input), pretty(block.input), "tool")];
  }
  if (block.type === "tool_result") {
    const text = textIn(block.content);
    const name = calls.get(block.tool_use_id);
    const label = `${block.is_error ? "Failed" : "Result"}${name ? ` of ${name}` : ""}`;
    return [collapsed(label, firstLine(text), text, block.is_error ? "failed" : "answer")];
  }
  return [collapsed(String(block.type ?? "block"), "", pretty(block))];
}

function resultOf(told) {
  const facts = [
    told.is_error ? `Failed${told.subtype ? `: ${told.subtype}` : ""}` : "Done",
    Number.isFinite(told.num_turns) && `${told.num_turns} turns`,
    Number.isFinite(told.duration_ms) && `${(told.duration_ms / 1000).toFixed(1)} s`,
    Number.isFinite(told.total_cost_usd) && `$${told.total_cost_usd.toFixed(2)}`,
  ];
  const head = element("p", `msg-head ${told.is_error ? "is-failed" : "is-done"}`);
  head.textContent = facts.filter(Boolean).join(" · ");
  return typeof told.result === "string" ? [head, textBlock(told.result)] : [head];
}

function systemOf(told) {
  const head = element("p", "msg-head");
  const model = told.model ? ` · ${told.model}` : "";
  const begins = told.subtype === "init" ? "The conversation begins" : `System: ${told.subtype}`;
  head.textContent = `${begins}${model}`.slice(0, MAX_HINT);
  return [head];
}

function labelled(label, text) {
  const block = element("div", "msg-said");
  const head = element("p", "msg-head");
  head.textContent = label;
  block.append(head, textBlock(text));
  return block;
}

function collapsed(label, hint, text, kind = "") {
  const details = element("details", `msg-part ${kind}`);
  const summary = element("summary", "");
  const name = element("b", "");
  name.textContent = label;
  summary.append(name, hint ? ` ${hint}` : "");
  details.append(summary);
  fillWhenOpened(details, text);
  return details;
}

function rawText(text) {
  const details = element("details", "msg-raw");
  const summary = element("summary", "");
  summary.textContent = "raw";
  details.append(summary);
  fillWhenOpened(details, text, Infinity);
  return details;
}

/** Most are never opened: their text is not put into the page before. */
function fillWhenOpened(details, text, most = MAX_TEXT) {
  details.addEventListener("toggle", () => details.append(textBlock(text, most)), { once: true });
}

function textBlock(text, most = MAX_TEXT) {
  const block = element("div", "msg-text");
  const whole = String(text ?? "");
  block.textContent = whole.length > most ? `${whole.slice(0, most)} …` : whole;
  return block;
}

function textIn(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return pretty(content);
  return content.map((part) => part?.text ?? `[${part?.type ?? "?"}]`).join("\n");
}

function hintOf(input) {
  const name = HINTS.find((hint) => typeof input?.[hint] === "string");
  return name ? firstLine(input[name]) : "";
}

function firstLine(text) {
  const line = String(text ?? "").trimStart().split("\n", 1)[0];
  return line.length > MAX_HINT ? `${line.slice(0, MAX_HINT)} …` : line;
}

function pretty(value) {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}

function element(name, className) {
  const made = document.createElement(name);
  if (className) made.className = className.trim();
  return made;
}
