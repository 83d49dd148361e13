// The log as people read it: a Screen drawn into the page, following its end or held still.

import { AnsiParser } from "./ansi.js";
import { coloursOf } from "./colours.js";
import { Painter } from "./painter.js";
import { Screen } from "./screen.js";
import { size } from "./time.js";

const CLASSES = ["bold", "italic", "underline", "strike", "concealed"];
// The end counts as reached this near to it (pixels).
const NEAR = 30;
const LINE_FEED = 10;

/** Takes log bytes and shows them below `root` (see templates/session.html). */
export class LogView {
  constructor(root) {
    const at = (name) => root.querySelector(`[data-${name}]`);
    this.box = at("log");
    this.place = at("log-lines");
    this.omitted = at("log-omitted");
    this.emptyLine = at("log-empty");
    this.more = at("log-more");
    this.followButton = at("follow");
    this.wrapButton = at("wrap");
    this.stateLine = at("log-state");
    this.nodes = [];
    this.nodesBase = 0;
    this.following = true;
    this.unseenFrom = 0;
    this.expected = null;
    this.ended = false;
    this.emptyText = "";
    this.painter = new Painter(() => this.draw());
    this.screen = new Screen();
    this.parser = new AnsiParser(this.screen);
    this.decoder = new TextDecoder();
    this.setUp();
  }

  setUp() {
    this.box.hidden = this.followButton.hidden = this.wrapButton.hidden = false;
    this.followButton.addEventListener("click", () => this.follow(!this.following));
    this.more.addEventListener("click", () => this.follow(true));
    this.wrapButton.addEventListener("click", () => this.wrap(!this.wrapped));
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    const sized = new ResizeObserver(() => this.following && this.toEnd());
    sized.observe(this.box);
    sized.observe(this.place);
    let wrapped = null;
    try {
      wrapped = localStorage.getItem("hive-wrap");
    } catch {
      // Storage may be off: then the log wraps.
    }
    this.wrap(wrapped !== "off");
  }

  /** Where the log begins in this page; what is shown is dropped unless it goes on from there. */
  start(offset) {
    if (offset === this.expected) return;
    this.expected = offset;
    this.decoder = new TextDecoder();
    this.parser.reset();
    this.screen.clear(offset);
    this.place.replaceChildren();
    this.nodes = [];
    this.nodesBase = 0;
    this.painter.request();
  }

  /** Bytes that stand at `offset`. Returns the offset to go on from, or null where some miss. */
  add(offset, bytes) {
    if (this.expected === null || offset > this.expected) return null;
    const known = this.expected - offset; // sent twice: not shown twice
    if (known < bytes.length) {
      const fresh = bytes.subarray(known);
      const starts = [];
      let found = fresh.indexOf(LINE_FEED);
      while (found >= 0) {
        starts.push(this.expected + found + 1);
        found = fresh.indexOf(LINE_FEED, found + 1);
      }
      this.expected += fresh.length;
      this.parser.feed(this.decoder.decode(fresh, { stream: true }), starts);
      this.painter.request();
    }
    return this.expected;
  }

  /** The log goes on at `offset`: what stood before it was removed by the log's limit. */
  skipTo(offset) {
    if (this.expected === null || offset <= this.expected) return;
    this.expected = offset;
    this.decoder = new TextDecoder();
    this.parser.reset();
    this.parser.feed("\n", [offset]);
    this.painter.request();
  }

  /** Take the room that a log which is being written needs. */
  grow() {
    this.box.classList.remove("short");
  }

  /** Nothing more will come. */
  end() {
    this.ended = true;
    this.followButton.hidden = true;
    this.painter.request();
  }

  /** What is said while there is no output. */
  explainEmptiness(text) {
    this.emptyText = text;
    this.painter.request();
  }

  draw() {
    const { screen } = this;
    const gone = Math.min(screen.base - this.nodesBase, this.nodes.length);
    for (const node of this.nodes.splice(0, gone)) node.remove();
    this.nodesBase = screen.base;
    for (const node of this.nodes.splice(screen.lines.length)) node.remove();
    const added = document.createDocumentFragment();
    while (this.nodes.length < screen.lines.length) {
      const node = document.createElement("div");
      node.className = "log-line";
      screen.dirty.add(this.nodesBase + this.nodes.length);
      this.nodes.push(node);
      added.append(node);
    }
    for (const row of screen.dirty) {
      const line = screen.line(row);
      if (line) drawLine(this.nodes[row - this.nodesBase], line);
    }
    screen.dirty.clear();
    // The empty line that follows the last line feed is not one of the log.
    this.place.append(added);
    this.last?.classList.remove("pending");
    this.last = this.nodes.at(-1);
    this.last.classList.toggle("pending", screen.lines.at(-1).size === 0);
    this.drawNotes();
    if (this.following) this.toEnd();
  }

  drawNotes() {
    const { screen } = this;
    const omitted = screen.lines[0].offset;
    this.omitted.hidden = !omitted;
    if (omitted) {
      this.omitted.querySelector("[data-log-omitted-text]").textContent =
        `The first ${size(omitted)} of output are not shown here.`;
    }
    const empty = !this.expected && screen.lines.length === 1 && !screen.lines[0].size;
    this.emptyLine.hidden = !empty;
    this.emptyLine.textContent = this.emptyText;
    const total = this.expected === null ? "" : size(this.expected);
    this.stateLine.textContent = this.ended ? `${total} · complete` : total;
    const unseen = this.following ? 0 : screen.end - this.unseenFrom;
    this.more.hidden = unseen <= 0;
    if (unseen > 0) {
      this.more.textContent = `${unseen} new ${unseen === 1 ? "line" : "lines"} ↓`;
    }
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    // Only the reader scrolls up; output that is added or let go moves the end, not the reader.
    if (this.following && !atEnd && scrollTop < this.lastTop - 1) this.follow(false);
    else if (!this.following && atEnd && scrollTop > this.lastTop) this.follow(true);
    this.lastTop = scrollTop;
  }

  /** Keep the end in view, or stay where the reader is. */
  follow(on) {
    this.following = on;
    this.followButton.setAttribute("aria-pressed", String(on));
    this.unseenFrom = this.screen.end;
    if (on) this.toEnd();
    this.drawNotes();
  }

  /** Show the line that stands at a byte of the log, if it is here. Returns whether it is. */
  goTo(offset) {
    const { lines } = this.screen;
    const after = lines.findIndex((line) => line.offset > offset);
    const index = (after < 0 ? lines.length : after) - 1;
    if (index < 0 || !this.nodes[index]) return false;
    this.follow(false);
    for (const node of this.place.querySelectorAll(".found")) node.classList.remove("found");
    this.nodes[index].classList.add("found");
    this.nodes[index].scrollIntoView({ block: "center" });
    this.lastTop = this.box.scrollTop;
    this.box.focus({ preventScroll: true });
    return true;
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.lastTop = this.box.scrollTop;
  }

  wrap(on) {
    this.wrapped = on;
    this.box.classList.toggle("wrap", on);
    this.wrapButton.setAttribute("aria-pressed", String(on));
    try {
      localStorage.setItem("hive-wrap", on ? "on" : "off");
    } catch {
      // As above.
    }
    if (this.following) this.toEnd();
  }
}

function drawLine(node, line) {
  const parts = line.toRuns().map(({ text, style }) => {
    const { color, background } = coloursOf(style);
    const classes = CLASSES.filter((name) => style[name]);
    if (!color && !background && !classes.length) return text;
    const span = document.createElement("span");
    span.textContent = text;
    if (classes.length) span.className = classes.join(" ");
    if (color) span.style.color = color;
    if (background) span.style.backgroundColor = background;
    return span;
  });
  node.replaceChildren(...parts);
}
