// The part of a log that is in the page: pieces before the live end, taken and let go by scrolling.

import { lineNode } from "./logdraw.js";
import { size } from "./time.js";

// Heights of the log that are taken beyond what can be seen, and those that are kept there.
const TAKEN = 2;
const KEPT = 5;
// While text is selected, so many lines are kept.
const MOST_LINES = 10_000;

/**
 * Pieces lie above the live end, without a gap while that is attached. `draw(node, line)` draws a
 * line, `changed()` is told of other pieces, `problem(error)` of what went wrong.
 */
export class LogWindow {
  constructor({ box, place, live, reader, draw, changed, problem }) {
    Object.assign(this, { box, place, live, reader, draw, changed, problem });
    this.pieces = [];
    this.turn = 0;
    this.busy = false;
    this.atBegin = false;
  }

  /** The first byte in the page. */
  get first() {
    return this.pieces[0]?.start ?? this.live.first;
  }

  /** The byte behind the last piece. */
  get end() {
    return this.pieces.at(-1)?.end ?? this.live.first;
  }

  /** All lines' elements in their order. */
  nodes() {
    const before = this.pieces.flatMap((piece) => piece.nodes);
    return this.live.attached ? before.concat(this.live.nodes) : before;
  }

  /** The index of the first element that reaches below a height of the window. */
  indexAt(nodes, y) {
    let [low, high] = [0, nodes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (nodes[middle].getBoundingClientRect().bottom > y) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The elements that can be seen. */
  visible() {
    const nodes = this.nodes();
    if (nodes.at(-1)?.classList.contains("pending")) nodes.pop();
    const { top, bottom } = this.box.getBoundingClientRect();
    return nodes.slice(this.indexAt(nodes, top + 1), this.indexAt(nodes, bottom - 1) + 1);
  }

  /** The first element below what can be seen. */
  below() {
    const nodes = this.nodes();
    return nodes[this.indexAt(nodes, this.box.getBoundingClientRect().bottom - 1) + 1];
  }

  /** Change what is in the page without moving what the reader sees. */
  keeping(change) {
    const anchor = this.visible()[0];
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) {
      this.box.scrollTop += anchor.getBoundingClientRect().top - before;
    }
  }

  /** Let all pieces go. */
  clear() {
    this.turn += 1;
    this.pieces.splice(0).forEach(letGo);
    this.atBegin = false;
  }

  /** What is so far below, or above, that it need not be in the page. */
  far(below) {
    const selection = getSelection();
    const selected = !selection.isCollapsed && this.box.contains(selection.anchorNode);
    if (selected && this.nodes().length < MOST_LINES) return () => false;
    const { top, bottom } = this.box.getBoundingClientRect();
    const kept = KEPT * this.box.clientHeight;
    return below
      ? (element) => element.getBoundingClientRect().top > bottom + kept
      : (element) => element.getBoundingClientRect().bottom < top - kept;
  }

  build(piece) {
    piece.element = document.createElement("div");
    piece.nodes = piece.lines.map((line) => {
      const node = lineNode();
      this.draw(node, line);
      return node;
    });
    const parts = [gap(piece.gapBefore), ...piece.nodes, gap(piece.gapAfter)];
    piece.element.append(...parts.filter(Boolean));
    return piece.element;
  }

  /** Draw the lines of all pieces again. */
  redraw() {
    for (const piece of this.pieces) {
      piece.nodes.forEach((node, i) => this.draw(node, piece.lines[i]));
    }
  }

  /** Take what the reader will see next. */
  async fill() {
    if (this.busy) return;
    this.busy = true;
    try {
      while (await this.step());
    } catch (error) {
      this.problem(error);
    } finally {
      this.busy = false;
    }
  }

  async step() {
    const { box, live } = this;
    const margin = TAKEN * box.clientHeight;
    if (box.scrollTop < margin && this.first > 0 && !this.atBegin) return this.before();
    const below = box.scrollHeight - box.scrollTop - box.clientHeight;
    if (below < margin && !live.attached) return this.after();
    return false;
  }

  async before() {
    const { turn, first } = this;
    const piece = await this.reader.backward(first);
    if (turn !== this.turn || first !== this.first) return true;
    this.atBegin = !piece;
    if (!piece) return false;
    const far = this.far(true);
    const kept = this.pieces.findLastIndex(({ element }) => !far(element)) + 1;
    const detached = this.live.attached && far(this.live.place);
    this.keeping(() => {
      if (detached) this.live.attach(false);
      if (!this.live.attached) this.pieces.splice(kept).forEach(letGo);
      this.place.prepend(this.build(piece));
      this.pieces.unshift(piece);
    });
    this.changed(piece);
    return true;
  }

  async after() {
    const { turn, live, end } = this;
    const piece = end < live.first ? await this.reader.forward(end, live.first) : null;
    if (turn !== this.turn) return true;
    if (!piece) {
      live.attach(true);
      return false;
    }
    const far = this.far(false);
    const gone = this.pieces.findIndex(({ element }) => !far(element));
    this.keeping(() => {
      this.place.append(this.build(piece));
      this.pieces.push(piece);
      this.pieces.splice(0, Math.max(0, gone)).forEach(letGo);
      if (gone > 0) this.atBegin = false;
    });
    this.changed(piece);
    return true;
  }

  /** Bring the line of a byte into view; returns its element. `share`: how far down. */
  async show(offset, share) {
    const { live } = this;
    this.turn += 1;
    const { turn } = this;
    if (!this.nodeAt(offset)) {
      if (live.expected !== null && offset >= live.first) {
        this.clear();
        live.attach(true);
      } else {
        const until = live.expected === null ? Infinity : live.first;
        const piece = await this.reader.forward(offset, until);
        if (turn !== this.turn) return null;
        this.clear();
        live.attach(false);
        this.box.classList.remove("short"); // a window of something longer
        if (piece) {
          this.place.append(this.build(piece));
          this.pieces.push(piece);
          this.changed(piece);
        }
        if (live.expected !== null && (!piece || piece.end >= live.first)) live.attach(true);
      }
    }
    const node = this.nodeAt(offset) ?? this.nodes()[0] ?? null;
    if (node) this.bring(node, share);
    return node;
  }

  /** Scroll to an element; `share` is how far down it then stands. */
  bring(node, share) {
    const top = this.box.getBoundingClientRect().top + share * this.box.clientHeight;
    this.box.scrollTop += node.getBoundingClientRect().top - top;
  }

  /** The element of the line that a byte stands in; null where that is not in the page. */
  nodeAt(offset) {
    const { live } = this;
    const piece = this.pieces.find(({ start, end }) => offset >= start && offset < end);
    if (piece) return piece.nodes[lineIndex(piece.lines, offset)];
    const here = live.attached && offset >= live.first && offset <= live.expected;
    return here ? live.nodes[lineIndex(live.screen.lines, offset)] : null;
  }
}

/** Take a piece out of the page; its lines may be wanted again. */
function letGo(piece) {
  piece.element.remove();
  piece.element = null;
  piece.nodes = [];
}

function lineIndex(lines, offset) {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].offset <= offset) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

function gap(hole) {
  if (!hole) return null;
  const note = document.createElement("p");
  note.className = "log-gap";
  note.textContent = `${size(hole.end - hole.begin)} were removed here by the log's limit.`;
  return note;
}
