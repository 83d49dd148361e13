// Draws one line of a log into its element: styled text, or a message of a conversation.

import { coloursOf } from "./colours.js";
import { foldedMessage } from "./messages.js";

const CLASSES = ["bold", "italic", "underline", "strike", "concealed"];

/** A line's text as it stands. */
export function textOf(line) {
  return line
    .toRuns()
    .map(({ text }) => text)
    .join("");
}

/** Fill `node` with a line. `folded`: lines of stream-json become messages. */
export function drawLine(node, line, folded) {
  const text = folded && looksLikeMessage(line) ? textOf(line) : "";
  const message = text ? foldedMessage(text) : null;
  node.classList.toggle("folded", Boolean(message));
  if (message) node.replaceChildren(message);
  else node.replaceChildren(...line.toRuns().map(drawRun));
  return Boolean(message);
}

function looksLikeMessage(line) {
  const first = line.toRuns()[0]?.text;
  return first?.startsWith("{") && line.size > 10;
}

function drawRun({ text, style }) {
  const { color, background } = coloursOf(style);
  const classes = CLASSES.filter((name) => style[name]);
  if (!color && !background && !classes.length) return text;
  const span = document.createElement("span");
  span.textContent = text;
  if (classes.length) span.className = classes.join(" ");
  if (color) span.style.color = color;
  if (background) span.style.backgroundColor = background;
  return span;
}

/** An element for a line. */
export function lineNode() {
  const node = document.createElement("div");
  node.className = "log-line";
  return node;
}
