// Pieces of a log, fetched by offset and drawn each on a terminal of its own.

import { AnsiParser } from "./ansi.js";
import { Screen } from "./screen.js";

export const PIECE = 64 * 1024;
const MOST_LINES = 100_000;
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
  }

  /** Ask for a place: {line}, {time} or {offset}. Throws an Error in words. */
  async locate(query, span = 0) {
    const place = await this.json("position", span ? { ...query, span } : query);
    this.size = Math.max(this.size, place.size);
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
    const { hole } = this;
    const skipped = hole && offset >= hole.begin && offset < hole.end;
    const start = skipped ? hole.end : offset;
    const stop = hole && start < hole.begin ? Math.min(until, hole.begin) : until;
    const limit = Math.min(PIECE, stop - start);
    if (limit <= 0) return null;
    const bytes = await this.bytes(start, limit);
    if (await this.inHole(bytes)) return this.forward(offset, until);
    if (!bytes.length) return null;
    const whole = start + bytes.length >= this.size;
    const cut = whole ? 0 : bytes.lastIndexOf(LINE_FEED) + 1;
    return draw(start, cut ? bytes.subarray(0, cut) : bytes, skipped ? hole : null);
  }

  /** The piece that ends where a line begins; null at the log's begin. */
  async backward(end) {
    const { hole } = this;
    const skipped = hole && end > hole.begin && end <= hole.end;
    const stop = skipped ? hole.begin : end;
    const floor = hole && stop > hole.end ? hole.end : 0;
    const begin = Math.max(floor, stop - PIECE);
    if (stop <= begin) return null;
    const known = begin > floor ? 1 : 0; // the byte before says whether a line begins here
    const bytes = await this.bytes(begin - known, stop - begin + known);
    if (await this.inHole(bytes)) return this.backward(end);
    let cut = known ? bytes.indexOf(LINE_FEED) + 1 : 0;
    if (known && (cut === 0 || cut >= bytes.length)) cut = known + continuation(bytes, known);
    const piece = draw(begin - known + cut, bytes.subarray(cut), null);
    piece.end = end;
    piece.gapAfter = skipped ? hole : null;
    return piece;
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

function draw(start, bytes, gapBefore) {
  const screen = new Screen(start, MOST_LINES);
  const parser = new AnsiParser(screen);
  parser.feed(new TextDecoder().decode(bytes), lineStarts(bytes, start));
  if (screen.lines.length > 1 && !screen.lines.at(-1).size) screen.lines.pop();
  for (const line of screen.lines) line.seal();
  return { start, end: start + bytes.length, lines: screen.lines, gapBefore, gapAfter: null };
}
