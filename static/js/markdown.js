// A part of Markdown drawn as elements of the page. Nothing in it can be clicked, fetched or run:
// HTML stays text, links and pictures are their words and addresses.

import { made } from "./words.js";

// The level of the heading that it stands below: the file's name.
const NAME_LEVEL = 3;
const MAX_DEPTH = 6;
const MAX_BLOCKS = 4000;
// Each alternative gives up at the next character of its own kind, so that none searches far.
const INLINE = new RegExp(
  [
    /(?<ticks>`{1,3})(?<code>[^`\n]+)\k<ticks>/,
    /(?<bang>!?)\[(?<label>[^[\]\n]*)\]\((?<target>[^()\s]*(?:\([^()\s]*\))?)(?:\s[^()\n]*)?\)/,
    /\*\*(?<strong>[^*\n]+)\*\*|__(?<strong2>[^_\n]+)__/,
    /\*(?<em>[^*\s][^*\n]*)\*|\b_(?<em2>[^_\n]+)_\b/,
    /~~(?<del>[^~\n]+)~~/,
    /\\(?<plain>[!-/:-@[-`{-~])/,
  ]
    .map((part) => part.source)
    .join("|"),
  "g",
);
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6}) +(.*)$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)]) +(.*)$/;
const TABLE = /^[ |:-]+$/;

const isRule = (line) => /^(-{3,}|\*{3,}|_{3,})$/.test(line.replaceAll(" ", ""));
const isTable = (lines, i) =>
  lines[i].includes("|") && (lines[i + 1] ?? "").includes("|") && TABLE.test(lines[i + 1]);
const begins = (lines, i) =>
  FENCE.test(lines[i]) || HEADING.test(lines[i]) || QUOTE.test(lines[i]) || ITEM.test(lines[i]) ||
  isRule(lines[i]) || isTable(lines, i);

function inline(place, text) {
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    place.append(text.slice(at, match.index));
    at = match.index + match[0].length;
    const { code, bang, label, target, strong, strong2, em, em2, del, plain } = match.groups;
    if (code !== undefined) place.append(made("code", code));
    else if (target !== undefined) place.append(linkLike(bang, label, target));
    else if (strong ?? strong2) place.append(within("strong", strong ?? strong2));
    else if (em ?? em2) place.append(within("em", em ?? em2));
    else if (del) place.append(within("del", del));
    else place.append(plain);
  }
  place.append(text.slice(at));
}

function within(name, text) {
  const element = document.createElement(name);
  inline(element, text);
  return element;
}

/** A link's words with its address behind them; a picture is said to be one. */
function linkLike(bang, label, target) {
  const element = made("span", bang ? `[picture: ${label}]` : label, "link-like");
  if (target && target !== label) element.append(" ", made("code", target));
  return element;
}

class Blocks {
  constructor() {
    this.level = NAME_LEVEL;
    this.count = 0;
  }

  draw(place, lines, depth) {
    let i = 0;
    while (i < lines.length) {
      if (!lines[i].trim()) {
        i += 1;
        continue;
      }
      this.count += 1;
      if (this.count > MAX_BLOCKS) {
        place.append(made("p", "The rest is not drawn: switch “Rendered” off to see it.", "muted"));
        return;
      }
      i = this.block(place, lines, i, depth);
    }
  }

  /** Draw the block that begins at line `i`; returns the line after it. */
  block(place, lines, i, depth) {
    const line = lines[i];
    const fence = FENCE.exec(line);
    if (fence) return this.fenced(place, lines, i, fence[1]);
    const heading = HEADING.exec(line);
    if (heading) {
      // No level is left out, whatever the text does: readers jump by them.
      this.level = Math.min(heading[1].length + NAME_LEVEL, this.level + 1, 6);
      const element = within(`h${this.level}`, heading[2].replace(/ #+ *$/, ""));
      element.className = `heading-${heading[1].length}`;
      place.append(element);
      return i + 1;
    }
    if (isRule(line)) {
      place.append(document.createElement("hr"));
      return i + 1;
    }
    if (depth < MAX_DEPTH && QUOTE.test(line)) return this.quote(place, lines, i, depth);
    if (depth < MAX_DEPTH && ITEM.test(line)) return this.list(place, lines, i, depth);
    if (isTable(lines, i)) return this.table(place, lines, i);
    let end = i + 1;
    while (end < lines.length && lines[end].trim() && !begins(lines, end)) end += 1;
    place.append(within("p", lines.slice(i, end).join("\n")));
    return end;
  }

  fenced(place, lines, i, mark) {
    let end = i + 1;
    while (end < lines.length && !lines[end].trim().startsWith(mark)) end += 1;
    const block = made("pre", "");
    block.append(made("code", lines.slice(i + 1, end).join("\n")));
    place.append(block);
    return end + 1;
  }

  quote(place, lines, i, depth) {
    let end = i;
    while (end < lines.length && QUOTE.test(lines[end])) end += 1;
    const block = document.createElement("blockquote");
    this.draw(block, lines.slice(i, end).map((line) => line.replace(QUOTE, "")), depth + 1);
    place.append(block);
    return end;
  }

  /** Items at one indentation; what is indented further belongs to the item above it. */
  list(place, lines, i, depth) {
    const [, indent, mark] = ITEM.exec(lines[i]);
    const numbered = /\d/.test(mark);
    const list = document.createElement(numbered ? "ol" : "ul");
    if (numbered) list.start = Number.parseInt(mark, 10);
    while (i < lines.length) {
      const item = ITEM.exec(lines[i]);
      if (!item || item[1].length !== indent.length || /\d/.test(item[2]) !== numbered) break;
      const inner = [item[3]];
      for (i += 1; i < lines.length; i += 1) {
        const deeper = lines[i].search(/\S/) > indent.length;
        const blank = !lines[i].trim() && (lines[i + 1] ?? "").search(/\S/) > indent.length;
        if (!deeper && !blank) break;
        inner.push(lines[i].slice(Math.min(indent.length + 2, Math.max(0, lines[i].search(/\S/)))));
      }
      list.append(this.item(inner, depth));
    }
    place.append(list);
    return i;
  }

  item(inner, depth) {
    const element = document.createElement("li");
    const task = /^\[([ xX])\] /.exec(inner[0]);
    if (task) {
      element.append(task[1] === " " ? "☐ " : "☑ ");
      inner[0] = inner[0].slice(4);
    }
    if (inner.length === 1) inline(element, inner[0]);
    else this.draw(element, inner, depth + 1);
    return element;
  }

  table(place, lines, i) {
    const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|");
    const row = (line, name) => {
      const element = document.createElement("tr");
      element.append(...cells(line).map((cell) => within(name, cell.trim())));
      return element;
    };
    const table = document.createElement("table");
    table.append(row(lines[i], "th"));
    for (i += 2; i < lines.length && lines[i].includes("|"); i += 1) table.append(row(lines[i], "td"));
    place.append(table);
    return i;
  }
}

/** Draw a text in Markdown below `place`. */
export function drawMarkdown(place, text) {
  new Blocks().draw(place, text.replaceAll("\t", "    ").split("\n"), 0);
}
