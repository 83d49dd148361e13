// The terminal that a log is drawn on: its last lines, a cursor, and what sequences do to them.

import { Line, PLAIN } from "./line.js";
import { width } from "./width.js";

/** Lines and characters that are kept; earlier ones are let go. */
export const MAX_LINES = 2000;
const MAX_CHARACTERS = 2_000_000;
// A line that never ends is broken here.
const MAX_COLUMNS = 65_536;
// How far up a program can reach: it knows no more of a terminal than its last rows.
const REACH = 200;
const TAB = 8;
const ASCII = /^[\x20-\x7e]*$/;

/** Rows are counted from the first line there ever was; `base` of them have been let go. */
export class Screen {
  constructor(offset = 0, maxLines = MAX_LINES) {
    this.maxLines = maxLines;
    this.clear(offset);
  }

  /** Begin anew at a byte of the log. */
  clear(offset) {
    this.lines = [new Line(offset)];
    this.base = 0;
    this.row = 0;
    this.column = 0;
    this.style = PLAIN;
    this.saved = null;
    this.pageTop = null; // where a program that clears the screen draws, once one did
    this.beforeAlternate = null;
    this.characters = 0;
    this.dirty = new Set([0]);
  }

  get end() {
    return this.base + this.lines.length;
  }

  line(row = this.row) {
    return this.lines[row - this.base];
  }

  touch(row = this.row) {
    const line = this.line(row);
    if (!line) return;
    this.characters += line.size - line.weight;
    line.weight = line.size;
    this.dirty.add(row);
  }

  /** Text without control characters, at the cursor. */
  print(text) {
    if (ASCII.test(text)) this.printNarrow(text);
    else this.printWide(text);
    this.touch();
  }

  printNarrow(text) {
    let rest = text;
    while (rest) {
      this.breakLongLine();
      const part = rest.slice(0, MAX_COLUMNS - this.column);
      rest = rest.slice(part.length);
      const line = this.line();
      if (line.cells || this.column !== line.width) {
        for (const character of part) this.putOne(character, 1);
      } else {
        line.append(part, part.length, this.style);
        this.column += part.length;
      }
    }
  }

  printWide(text) {
    for (const character of text) {
      this.breakLongLine();
      const columns = width(character);
      const line = this.line();
      const joined = columns === 0 || line.joins(this.column);
      if (joined && line.combine(this.column, character)) continue;
      this.putOne(character, columns || 1);
    }
  }

  putOne(character, columns) {
    const line = this.line();
    if (!line.cells && this.column === line.width) line.append(character, columns, this.style);
    else line.put(this.column, character, columns, this.style);
    this.column += columns;
  }

  breakLongLine() {
    if (this.column < MAX_COLUMNS && this.line().size < 4 * MAX_COLUMNS) return;
    this.touch();
    this.lineFeed(this.line().offset);
  }

  /** To the beginning of the next line; `offset` is the byte of the log after the line feed. */
  lineFeed(offset) {
    this.line().seal();
    this.touch();
    this.row += 1;
    this.column = 0;
    if (this.row === this.end) {
      this.lines.push(new Line(offset));
      this.dirty.add(this.row);
      this.trim();
    }
  }

  /** Let the earliest lines go, some more than needed: that costs less than one at a time. */
  trim() {
    if (this.lines.length <= this.maxLines && this.characters <= MAX_CHARACTERS) return;
    let surplus = Math.max(0, this.lines.length - Math.ceil(this.maxLines * 0.99));
    let left = this.characters;
    for (let i = 0; i < surplus; i += 1) left -= this.lines[i].weight;
    while (left > MAX_CHARACTERS && surplus < this.lines.length - 1) {
      left -= this.lines[surplus].weight;
      surplus += 1;
    }
    this.letGo(surplus);
  }

  letGo(count) {
    for (const line of this.lines.splice(0, count)) this.characters -= line.weight;
    this.base += count;
    this.row = Math.max(this.row, this.base);
    if (this.pageTop !== null) this.pageTop = Math.max(this.pageTop, this.base);
    for (const row of this.dirty) if (row < this.base) this.dirty.delete(row);
  }

  carriageReturn() {
    this.column = 0;
  }

  backspace() {
    this.column = Math.max(0, this.column - 1);
  }

  tab() {
    const line = this.line();
    const target = Math.min(MAX_COLUMNS, (Math.floor(this.column / TAB) + 1) * TAB);
    if (!line.cells && this.column === line.width) {
      line.append(" ".repeat(target - this.column), target - this.column, this.style);
      this.touch();
    }
    this.column = target;
  }

  /** The first row that the cursor can reach. */
  get top() {
    return Math.max(this.base, this.pageTop ?? this.end - REACH);
  }

  moveTo(row, column) {
    const target = Math.min(Math.max(row, this.top), this.end - 1);
    if (target !== this.row) {
      this.line().seal();
      this.touch();
    }
    this.row = target;
    this.column = Math.min(Math.max(column, 0), MAX_COLUMNS - 1);
  }

  /** To a place of the page, counted from 0; rows that are not there yet are made. */
  moveOnPage(row, column) {
    this.pageTop ??= Math.max(this.base, this.end - REACH, 0);
    const target = this.pageTop + Math.min(row, REACH);
    while (this.end <= target) {
      this.lines.push(new Line(this.lines.at(-1).offset));
      this.dirty.add(this.end - 1);
    }
    this.moveTo(target, column);
  }

  save() {
    this.saved = { row: this.row, column: this.column, style: this.style };
  }

  restore() {
    if (!this.saved) return;
    this.style = this.saved.style;
    this.moveTo(this.saved.row, this.saved.column);
  }

  /** EL: 0 to the end of the line, 1 from its beginning, 2 all of it. */
  eraseInLine(mode) {
    const line = this.line();
    if (mode === 0) line.cut(this.column);
    else if (mode === 1) line.blank(0, this.column + 1);
    else if (mode === 2) line.cut(0);
    this.touch();
  }

  /** ED: 0 below, 1 above, 2 everything on the page; what was there before the page stays. */
  eraseInDisplay(mode) {
    if (mode === 0) {
      this.dropBelow(this.row);
      this.eraseInLine(0);
    } else if (mode === 1) {
      for (let row = this.top; row < this.row; row += 1) {
        this.line(row).cut(0);
        this.touch(row);
      }
      this.eraseInLine(1);
    } else if (mode === 2) {
      if (this.pageTop === null) this.beginPage();
      this.moveTo(this.pageTop, this.column);
      this.dropBelow(this.row);
      this.eraseInLine(2);
    }
  }

  beginPage() {
    this.moveTo(this.end - 1, 0);
    if (this.line().size) this.lineFeed(this.line().offset);
    this.pageTop = this.row;
  }

  dropBelow(row) {
    for (const line of this.lines.splice(row + 1 - this.base)) this.characters -= line.weight;
    for (const dirty of this.dirty) if (dirty > row) this.dirty.delete(dirty);
  }

  /** The alternate screen: what is drawn there goes when the program leaves it. */
  alternate(on) {
    if (on && this.beforeAlternate === null) {
      this.beforeAlternate = this.pageTop ?? -1;
      this.pageTop = null;
      this.beginPage();
    } else if (!on && this.beforeAlternate !== null) {
      this.moveTo(this.pageTop, 0);
      this.dropBelow(this.row);
      this.eraseInLine(2);
      this.pageTop = this.beforeAlternate < 0 ? null : Math.max(this.beforeAlternate, this.base);
      this.beforeAlternate = null;
    }
  }

  /** Delete `remove` columns at the cursor, or insert `insert` blanks there. */
  shift(remove, insert) {
    this.line().shift(this.column, remove, Math.min(insert, 500));
    this.touch();
  }

  eraseColumns(count) {
    this.line().blank(this.column, this.column + count);
    this.touch();
  }
}
