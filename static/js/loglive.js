// The end of the log as it comes in: its last lines on a terminal, drawn below the pieces.

import { AnsiParser } from "./ansi.js";
import { lineNode } from "./logdraw.js";
import { lineStarts } from "./logpieces.js";
import { Screen } from "./screen.js";

/** Takes log bytes. `draw(node, line)` draws one; `changed()` is called when there is more. */
export class LiveLog {
  constructor(place, draw, changed) {
    this.place = place;
    this.drawLine = draw;
    this.changed = changed;
    this.screen = new Screen();
    this.parser = new AnsiParser(this.screen);
    this.decoder = new TextDecoder();
    this.nodes = [];
    this.nodesBase = 0;
    this.expected = null;
    this.attached = true;
  }

  /** The first byte that is here. */
  get first() {
    return this.screen.lines[0].offset;
  }

  /** Begin anew at an offset. */
  start(offset) {
    this.expected = offset;
    this.decoder = new TextDecoder();
    this.parser.reset();
    this.screen.clear(offset);
    this.empty();
  }

  /** Bytes that stand at `offset`. Returns the offset to go on from, or null where some miss. */
  add(offset, bytes) {
    if (this.expected === null || offset > this.expected) return null;
    const known = this.expected - offset; // sent twice: not shown twice
    if (known < bytes.length) {
      const fresh = bytes.subarray(known);
      const starts = lineStarts(fresh, this.expected);
      this.expected += fresh.length;
      this.parser.feed(this.decoder.decode(fresh, { stream: true }), starts);
      this.changed();
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
    this.changed();
  }

  empty() {
    this.place.replaceChildren();
    this.nodes = [];
    this.nodesBase = this.screen.base;
  }

  /** Show it, or not: it goes on taking what comes. */
  attach(on) {
    if (this.attached === on) return;
    this.attached = on;
    this.place.hidden = !on;
    this.empty();
    if (on) this.draw();
  }

  /** How many of the lines that are shown are to go. */
  get gone() {
    return Math.min(this.screen.base - this.nodesBase, this.nodes.length);
  }

  /** Draw all lines again. */
  redraw() {
    this.empty();
    this.draw();
  }

  draw() {
    const { screen } = this;
    if (!this.attached) {
      screen.dirty.clear();
      return;
    }
    for (const node of this.nodes.splice(0, this.gone)) node.remove();
    this.nodesBase = screen.base;
    for (const node of this.nodes.splice(screen.lines.length)) node.remove();
    const added = document.createDocumentFragment();
    while (this.nodes.length < screen.lines.length) {
      const node = lineNode();
      screen.dirty.add(this.nodesBase + this.nodes.length);
      this.nodes.push(node);
      added.append(node);
    }
    for (const row of screen.dirty) {
      const line = screen.line(row);
      if (line) this.drawLine(this.nodes[row - this.nodesBase], line);
    }
    screen.dirty.clear();
    this.place.append(added);
    // The empty line that follows the last line feed is not one of the log.
    this.last?.classList.remove("pending");
    this.last = this.nodes.at(-1);
    this.last.classList.toggle("pending", screen.lines.at(-1).size === 0);
  }
}
