// Blocks of a log, fetched by offset, drawn each on a terminal of its own, and cut into pieces.

import { AnsiParser } from "./ansi.js";
import { Screen } from "./screen.js";

// What is asked for at once (bytes), and how many of these are remembered.
const BLOCK = 64 * 1024;
const MOST_BLOCKS = 4;
const MOST_LINES = 100_000;
// What is put into the page at once: little enough to be laid out and painted within a frame.
const PIECE_LINES = 100;
const PIECE_BYTES = 16 * 1024;
const LINE_FEED = 10;

/** Starts of lines: the bytes after each line feed, for AnsiParser.feed. */
export function lineStarts(bytes, offset) {
  const starts = [];
  let found = bytes.indexOf(LINE_FEED);
  while (found >= 0) {
    starts.push(offset + found + 1);
    found = bytes.indexOf(LINE_FEED, found + 1);
  }
  return starts;
}

/** Reads the log of one session. */
export class PieceReader {
  constructor(sessionId) {
    this.base = `/api/v1/sessions/${sessionId}/log`;
    this.size = 0;
    this.hole = null; // what the log's limit has removed: {begin, end}
    this.blocks = []; // arrays of pieces, the latest last
    this.coming = new Map(); // blocks that were asked for
  }

  /** Ask for a place: {line}, {time} or {offset}. Throws an Error in words. */
  async locate(query, span = 0) {
    const place = await this.json("position", span ? { ...query, span } : query);
    this.size = Math.max(this.size, place.size);
    if (JSON.stringify(place.removed) !== JSON.stringify(this.hole)) this.blocks = [];
    this.hole = place.removed;
    return place;
  }

  /** JSON of the log's API. */
  async json(path, query, signal) {
    const parameters = new URLSearchParams(query);
    let answer;
    try {
      answer = await fetch(`${this.base}/${path}?${parameters}`, { signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server cannot be reached.");
    }
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.detail ?? `The server answers ${answer.status}.`);
    return body;
  }

  async bytes(offset, limit) {
    const answer = await fetch(`${this.base}?offset=${offset}&limit=${limit}`);
    if (!answer.ok) throw new Error(`The log cannot be read (${answer.status}).`);
    this.size = Math.max(this.size, Number(answer.headers.get("X-Log-Size")));
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** The piece that begins at a line, up to `until` at most; null where there is nothing. */
  async forward(offset, until = Infinity) {
    const read = (from) => this.once(`${from} to ${until}`, () => this.readOn(from, until));
    const at = (from) => this.known((piece) => piece.start === from && piece.end <= until);
    const piece = at(offset) ?? (await read(offset))?.[0] ?? null;
    if (!piece) return null;
    const { start, end: next } = piece.block;
    const soon = 2 * (piece.end - start) > next - start && next < Math.min(until, this.size);
    if (soon && !at(next)) read(next).catch(() => {});
    return piece;
  }

  /** The piece that ends where a line begins; null at the log's begin. */
  async backward(end) {
    const read = (until) => this.once(`up to ${until}`, () => this.readBack(until));
    const at = (until) => this.known((piece) => piece.end === until);
    const piece = at(end) ?? (await read(end))?.at(-1) ?? null;
    if (!piece) return null;
    const { start: next, end: last } = piece.block;
    const soon = 2 * (last - piece.start) > last - next && next > 0;
    if (soon && !at(next)) read(next).catch(() => {});
    return piece;
  }

  /** A piece that was read before. */
  known(test) {
    return this.blocks.flat().find(test);
  }

  /** What is asked for already is not asked for again: the next block is read ahead. */
  once(name, read) {
    if (!this.coming.has(name)) {
      this.coming.set(
        name,
        read().finally(() => this.coming.delete(name)),
      );
    }
    return this.coming.get(name);
  }

  keep(pieces) {
    this.blocks = [...this.blocks.slice(1 - MOST_BLOCKS), pieces];
    return pieces;
  }

  async readOn(offset, until) {
    const { hole } = this;
    const skipped = hole && offset >= hole.begin && offset < hole.end;
    const start = skipped ? hole.end : offset;
    const stop = hole && start < hole.begin ? Math.min(until, hole.begin) : until;
    const limit = Math.min(BLOCK, stop - start);
    if (limit <= 0) return null;
    const bytes = await this.bytes(start, limit);
    if (await this.inHole(bytes)) return this.readOn(offset, until);
    if (!bytes.length) return null;
    const whole = start + bytes.length >= this.size;
    const cut = whole ? 0 : bytes.lastIndexOf(LINE_FEED) + 1;
    const block = draw(start, cut ? bytes.subarray(0, cut) : bytes);
    block.gapBefore = skipped ? hole : null;
    // A last line that may go on is read again when it is wanted again.
    return whole && bytes.at(-1) !== LINE_FEED ? pieces(block) : this.keep(pieces(block));
  }

  async readBack(end) {
    const { hole } = this;
    const skipped = hole && end > hole.begin && end <= hole.end;
    const stop = skipped ? hole.begin : end;
    const floor = hole && stop > hole.end ? hole.end : 0;
    const begin = Math.max(floor, stop - BLOCK);
    if (stop <= begin) return null;
    const known = begin > floor ? 1 : 0; // the byte before says whether a line begins here
    const bytes = await this.bytes(begin - known, stop - begin + known);
    if (await this.inHole(bytes)) return this.readBack(end);
    let cut = known ? bytes.indexOf(LINE_FEED) + 1 : 0;
    if (known && (cut === 0 || cut >= bytes.length)) cut = known + continuation(bytes, known);
    const block = draw(begin - known + cut, bytes.subarray(cut));
    block.end = end;
    block.gapAfter = skipped ? hole : null;
    return this.keep(pieces(block));
  }

  /** Whether the log has lost a part that we did not know of; then we do. */
  async inHole(bytes) {
    if (!bytes.length || bytes[0] !== 0 || bytes.at(-1) !== 0) return false;
    const known = JSON.stringify(this.hole);
    await this.locate({ offset: 0 });
    return JSON.stringify(this.hole) !== known;
  }
}

/** How many bytes at `at` continue a character that began before. */
function continuation(bytes, at) {
  let count = 0;
  while (count < 3 && (bytes[at + count] & 0xc0) === 0x80) count += 1;
  return count;
}

function draw(start, bytes) {
  const screen = new Screen(start, MOST_LINES);
  const parser = new AnsiParser(screen);
  parser.feed(new TextDecoder().decode(bytes), lineStarts(bytes, start));
  if (screen.lines.length > 1 && !screen.lines.at(-1).size) screen.lines.pop();
  for (const line of screen.lines) line.seal();
  return { start, end: start + bytes.length, lines: screen.lines };
}

/** A block as pieces, each with the lines from byte `start` to `end`. */
function pieces(block) {
  const { lines } = block;
  const cuts = [0];
  for (let i = 1; i < lines.length; i += 1) {
    const from = cuts.at(-1);
    const many = i - from >= PIECE_LINES || lines[i].offset - lines[from].offset >= PIECE_BYTES;
    // A line that was broken has one place.
    if (many && lines[i].offset > lines[i - 1].offset) cuts.push(i);
  }
  return cuts.map((from, i) => ({
    block,
    start: i ? lines[from].offset : block.start,
    end: lines[cuts[i + 1]]?.offset ?? block.end,
    lines: lines.slice(from, cuts[i + 1]),
    gapBefore: i ? null : block.gapBefore,
    gapAfter: i + 1 < cuts.length ? null : block.gapAfter,
  }));
}
