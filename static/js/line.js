// One line of the terminal: runs of text while it is only added to, cells once it is drawn over.

import { width } from "./width.js";

/** How characters without any attribute look. */
export const PLAIN = Object.freeze({});
const ZWJ = "\u200d";

/**
 * A line. `offset` is the byte of the log that it begins at; columns count from 0. A cell is
 * `[character, style]`; the second cell of a wide character has the empty string.
 */
export class Line {
  constructor(offset) {
    this.offset = offset;
    this.runs = [];
    this.length = 0; // in characters of the runs
    this.width = 0; // in columns
    this.cells = null;
    this.weight = 0; // what the screen has counted for it
  }

  /** Add text of known width at the end. */
  append(text, columns, style) {
    const last = this.runs.at(-1);
    if (last && last.style === style) last.text += text;
    else this.runs.push({ text, style });
    this.length += text.length;
    this.width += columns;
  }

  /** Put one character of `columns` (1 or 2) at a column, drawing over what is there. */
  put(column, character, columns, style) {
    const cells = this.toCells();
    while (cells.length < column) cells.push([" ", PLAIN]);
    if (cells[column]?.[0] === "") cells[column - 1] = [" ", cells[column - 1][1]];
    const after = column + columns;
    if (cells[after]?.[0] === "") cells[after] = [" ", cells[after][1]];
    cells[column] = [character, style];
    if (columns === 2) cells[column + 1] = ["", style];
    this.width = cells.length;
  }

  /** Add a mark to the character before a column; says whether there is one. */
  combine(column, mark) {
    if (!this.cells && column === this.width && this.runs.length) {
      this.runs.at(-1).text += mark;
      this.length += mark.length;
      return true;
    }
    const cells = this.toCells();
    const at = cells[column - 1]?.[0] === "" ? column - 2 : column - 1;
    if (!cells[at] || cells[at][0].length > 40) return false;
    cells[at] = [cells[at][0] + mark, cells[at][1]];
    return true;
  }

  /** Whether the character before a column waits for another to join it. */
  joins(column) {
    if (!this.cells) return column === this.width && this.runs.at(-1)?.text.endsWith(ZWJ);
    const at = this.cells[column - 1]?.[0] === "" ? column - 2 : column - 1;
    return this.cells[at]?.[0].endsWith(ZWJ) ?? false;
  }

  /** Take away everything from a column on. */
  cut(column) {
    if (column >= this.width) return;
    if (column === 0) {
      this.runs = [];
      this.cells = null;
      this.length = this.width = 0;
      return;
    }
    const cells = this.toCells();
    if (cells[column]?.[0] === "") cells[column - 1] = [" ", PLAIN];
    cells.length = column;
    this.width = column;
  }

  /** Blank the columns from one up to another (not included). */
  blank(from, to) {
    for (let column = from; column < Math.min(to, this.width); column += 1) {
      this.put(column, " ", 1, PLAIN);
    }
  }

  /** Delete columns (the rest moves left), or insert blanks (the rest moves right). */
  shift(column, remove, insert) {
    const cells = this.toCells();
    if (column >= cells.length) return;
    cells.splice(column, remove, ...Array.from({ length: insert }, () => [" ", PLAIN]));
    this.width = cells.length;
  }

  toCells() {
    if (this.cells) return this.cells;
    this.cells = [];
    for (const { text, style } of this.runs) {
      for (const character of text) {
        const columns = width(character);
        const previous = this.cells.at(this.cells.at(-1)?.[0] === "" ? -2 : -1);
        if (previous && (columns === 0 || previous[0].endsWith(ZWJ))) {
          previous[0] += character;
          continue;
        }
        this.cells.push([character, style]);
        if (columns === 2) this.cells.push(["", style]);
      }
    }
    this.runs = [];
    this.length = 0;
    this.width = this.cells.length;
    return this.cells;
  }

  /** The line as runs of one style each. */
  toRuns() {
    if (!this.cells) return this.runs;
    const runs = [];
    for (const [text, style] of this.cells) {
      const last = runs.at(-1);
      if (last && last.style === style) last.text += text;
      else runs.push({ text, style });
    }
    return runs;
  }

  /** Nobody draws here any more for now: keep it small. */
  seal() {
    if (!this.cells) return;
    this.runs = this.toRuns();
    this.cells = null;
    this.length = this.runs.reduce((sum, run) => sum + run.text.length, 0);
  }

  /** How much it holds. */
  get size() {
    return this.cells ? this.cells.length : this.length;
  }
}
