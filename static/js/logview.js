// The log as people read it: a window of it in the page, following its end or held anywhere.

import { drawLine, textOf } from "./logdraw.js";
import { showHits } from "./loghits.js";
import { setUpKeys } from "./logkeys.js";
import { LiveLog } from "./loglive.js";
import { PieceReader } from "./logpieces.js";
import { Glide, LogScroll } from "./logscroll.js";
import { LogSearch } from "./logsearch.js";
import { LogTimes } from "./logtimes.js";
import { LogTools } from "./logtools.js";
import { LogWindow } from "./logwindow.js";
import { Painter } from "./painter.js";
import { size } from "./time.js";

// The end counts as reached this near to it (pixels).
const NEAR = 30;

/** Takes log bytes and shows them below `root` (see templates/parts/log.html). */
export class LogView {
  constructor(root) {
    this.at = (name) => root.querySelector(`[data-${name}]`);
    this.box = this.at("log");
    this.omitted = this.at("log-omitted");
    this.emptyLine = this.at("log-empty");
    this.more = this.at("log-more");
    this.lines = new WeakMap();
    this.following = true;
    this.folded = true;
    this.unseenFrom = 0;
    this.ended = false;
    this.emptyText = "";
    this.marked = null;
    const [pieces, live] = [document.createElement("div"), document.createElement("div")];
    this.at("log-lines").append(pieces, live);
    const draw = (node, line) => this.drawLine(node, line);
    this.painter = new Painter(() => this.draw());
    this.reader = new PieceReader(root.dataset.session);
    this.times = new LogTimes(this.reader);
    this.live = new LiveLog(live, draw, () => this.painter.request());
    const { box, reader } = this;
    this.window = new LogWindow({
      ...{ box, reader, draw, live: this.live, place: pieces },
      changed: (piece) => this.took(piece),
      problem: (error) => this.tools.say(error.message),
    });
    this.bar = new LogScroll(this.at("log-scroll"), {
      jump: (offset) => this.goTo({ offset }, { share: 0, quiet: true }),
      toEnd: () => this.follow(true),
    });
    this.search = new LogSearch(this.at("log-search"), this);
    this.tools = new LogTools(this.at, this);
    this.glide = new Glide(this.box);
    setUpKeys(this.box, this);
    this.box.hidden = false;
    this.more.addEventListener("click", () => this.follow(true));
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    const sized = new ResizeObserver(() => this.settle());
    sized.observe(this.box);
    sized.observe(this.at("log-lines"));
  }

  /** Up to where the log has come in; null before it has begun. */
  get expected() {
    return this.live.expected;
  }

  get total() {
    return Math.max(this.expected ?? 0, this.reader.size);
  }

  /** Where the log begins in this page; what is shown is dropped unless it goes on from there. */
  start(offset) {
    if (offset === this.expected) return;
    this.live.start(offset);
    if (this.following) this.window.clear();
    this.tools.started();
    this.painter.request();
  }

  /** Bytes that stand at `offset`. Returns the offset to go on from, or null where some miss. */
  add(offset, bytes) {
    const next = this.live.add(offset, bytes);
    if (next !== null) this.times.came(next);
    return next;
  }

  /** The log goes on at `offset`: what stood before it was removed by the log's limit. */
  skipTo(offset) {
    this.live.skipTo(offset);
  }

  /** Take the room that a log which is being written needs. */
  grow() {
    this.box.classList.remove("short");
  }

  /** Nothing more will come. */
  end() {
    this.ended = true;
    this.at("follow").hidden = true;
    this.painter.request();
  }

  /** What is said while there is no output. */
  explainEmptiness(text) {
    this.emptyText = text;
    this.painter.request();
  }

  drawLine(node, line) {
    this.lines.set(node, line);
    if (drawLine(node, line, this.folded)) this.tools.hasMessages();
    this.times.stamp(node, line);
    node.classList.toggle("found", this.marked !== null && line.offset === this.marked);
  }

  draw() {
    const { live } = this;
    if (this.following) {
      const last = this.window.pieces.at(-1);
      if (last && last.end < live.first) this.window.clear();
      live.draw();
    } else if (!live.attached || !live.gone) {
      live.draw();
    } else {
      this.makeRoom();
    }
    this.drawNotes();
    this.settle();
  }

  /** Lines are to go while somebody reads: what they read stays. */
  makeRoom() {
    const { live } = this;
    const seen = this.window.visible()[0];
    const at = live.nodes.indexOf(seen);
    if (at >= live.gone) {
      this.window.keeping(() => {
        this.window.clear();
        live.draw();
      });
    } else if (at < 0 && this.window.pieces.length) live.attach(false);
    else if (!seen) live.draw();
    else if (!this.moving) {
      const done = () => {
        this.moving = false;
      };
      this.moving = true;
      const { offset } = this.lines.get(seen);
      this.goTo({ offset }, { share: 0, quiet: true }).then(done, done);
    }
  }

  drawNotes() {
    const { screen } = this.live;
    const omitted = this.window.first;
    this.omitted.hidden = !omitted;
    if (omitted) {
      this.at("log-omitted-text").textContent = `${size(omitted)} of output come before this.`;
    }
    const empty = !this.expected && screen.lines.length === 1 && !screen.lines[0].size;
    this.emptyLine.hidden = !empty;
    this.emptyLine.textContent = this.emptyText;
    const total = this.expected === null ? "" : size(this.expected);
    this.at("log-state").textContent = this.ended ? `${total} · complete` : total;
    const unseen = this.following ? 0 : screen.end - this.unseenFrom;
    this.more.hidden = unseen <= 0;
    if (unseen > 0) {
      this.more.textContent = `${unseen} new ${unseen === 1 ? "line" : "lines"} ↓`;
    }
  }

  /** After a change: the end stays in view while it is followed; the scrollbar says where we are. */
  settle() {
    if (this.following) this.toEnd();
    this.look();
  }

  look() {
    const visible = this.window.visible();
    const first = this.lines.get(visible[0]);
    if (!first) return;
    this.bar.show(first.offset, this.following ? this.total : this.bottomOffset(), this.total);
    this.markHits(visible);
    this.window.fill().then(() => this.following && this.toEnd());
  }

  /** The first byte that is in view, and the one behind it. */
  topOffset() {
    return this.lines.get(this.window.visible()[0])?.offset ?? 0;
  }

  bottomOffset() {
    const next = this.lines.get(this.window.below());
    return next?.offset ?? (this.live.attached ? this.total : this.window.end);
  }

  took(piece) {
    const { block } = piece;
    if (this.times.on && !block.timed) this.tools.stamp(block.start, block.end);
    block.timed ||= this.times.on;
    this.drawNotes();
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const atEnd = this.live.attached && scrollHeight - scrollTop - clientHeight < NEAR;
    // Only the reader scrolls up; output that is added or let go moves the end, not the reader.
    const up = this.following && !atEnd && scrollTop < this.lastTop - 1;
    if (up && this.glide.on) this.toEnd();
    else if (up) this.follow(false);
    else if (!this.following && atEnd && scrollTop > this.lastTop) this.follow(true);
    this.lastTop = this.box.scrollTop;
    this.looking ??= requestAnimationFrame(() => {
      this.looking = null;
      this.look();
    });
  }

  /** Keep the end in view, or stay where the reader is. */
  follow(on) {
    if (on) this.glide.begin();
    if (this.following && !on) this.unseenFrom = this.live.screen.end;
    this.following = on;
    this.wish = null;
    this.at("follow").setAttribute("aria-pressed", String(on));
    if (on && this.expected !== null) {
      if (!this.live.attached) this.window.clear();
      this.live.attach(true);
      this.painter.request();
      this.toEnd();
    }
    this.drawNotes();
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.lastTop = this.box.scrollTop;
  }

  /** Show a byte's line, or {line}, {time}, {offset}, {share}, {end}; returns what it is. */
  async goTo(wish, { share = 0.3, quiet = false } = {}) {
    this.follow(Boolean(wish.end));
    if (wish.end) return undefined;
    if (typeof wish === "number") this.box.focus({ preventScroll: true });
    try {
      const byte = wish.share === undefined ? wish : Math.floor(wish.share * this.total);
      const asked = typeof byte === "number" ? { offset: byte } : byte;
      this.wish = asked;
      const place = await this.reader.locate(asked);
      if (this.wish !== asked) return undefined; // another place is wanted by now
      await this.bring(place.offset, share, quiet ? null : place.offset);
      return place;
    } catch (error) {
      this.tools.say(error.message);
      return undefined;
    }
  }

  async bring(offset, share, mark) {
    const node = await this.window.show(offset, share);
    if (mark !== null) this.mark(node && this.lines.get(node).offset);
    // What stands before and after it may have made the room that it lacked.
    await this.window.fill();
    if (node?.isConnected) this.window.bring(node, share);
    this.lastTop = this.box.scrollTop;
    if (mark !== null) this.box.scrollIntoView({ block: "nearest" });
    this.drawNotes();
    this.look();
  }

  /** Show a hit of the search. */
  async showHit(hit) {
    await this.goTo({ offset: hit.offset });
  }

  /** Set a line apart, by the byte it begins at; null for none. */
  mark(offset) {
    this.marked = offset;
    for (const node of this.box.querySelectorAll(".log-line.found")) {
      node.classList.remove("found");
    }
    if (offset !== null) this.window.nodeAt(offset)?.classList.add("found");
    this.markHits(this.window.visible());
  }

  markHits(nodes) {
    showHits(nodes, this.search.text, this.search.ignoreCase);
  }

  /** What is in view, as text. */
  visibleText() {
    const lines = this.window.visible().map((node) => textOf(this.lines.get(node)));
    return `${lines.join("\n")}\n`;
  }
}
