// Reads a log's text with its control characters and escape sequences (ECMA-48) onto a Screen.
// What is not understood is dropped, never shown.

import { PLAIN } from "./line.js";

const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;
const MAX_PARAMETERS = 256;
const ESC = "\x1b";

/** Carries on across chunks: a sequence may be cut anywhere. */
export class AnsiParser {
  constructor(screen) {
    this.screen = screen;
    this.reset();
  }

  reset() {
    this.state = "text";
    this.buffer = "";
  }

  /**
   * Draw text. `lineStarts` has, for each line feed in it, the byte of the log that follows it.
   */
  feed(text, lineStarts) {
    let nextLine = 0;
    let at = 0;
    while (at < text.length) {
      if (this.state === "text") {
        CONTROL.lastIndex = at;
        const found = CONTROL.exec(text);
        const until = found ? found.index : text.length;
        if (until > at) this.screen.print(text.slice(at, until));
        at = until;
        if (!found) break;
      }
      const character = text[at];
      at += 1;
      if (character === "\n") {
        // Even inside a sequence: no program continues one on the next line.
        this.reset();
        this.screen.lineFeed(lineStarts[nextLine]);
        nextLine += 1;
      } else {
        this.take(character);
      }
    }
  }

  take(character) {
    switch (this.state) {
      case "escape":
        this.takeEscape(character);
        break;
      case "csi":
        this.takeCsi(character);
        break;
      case "string":
        if (character === "\x07" || character === "\x9c") this.reset();
        else if (character === ESC) this.begin("escape");
        break;
      default:
        this.control(character);
    }
  }

  begin(state) {
    this.state = state;
    this.buffer = "";
  }

  control(character) {
    if (character === "\r") this.screen.carriageReturn();
    else if (character === "\b") this.screen.backspace();
    else if (character === "\t") this.screen.tab();
    else if (character === ESC) this.begin("escape");
    else if (character === "\x9b") this.begin("csi");
    else if ("\x90\x98\x9d\x9e\x9f".includes(character)) this.begin("string");
  }

  takeEscape(character) {
    if (character === "[") return this.begin("csi");
    if ("]PX^_".includes(character)) return this.begin("string");
    if (character >= " " && character <= "/") return undefined; // an intermediate: more comes
    this.reset();
    if (character === "7") this.screen.save();
    else if (character === "8") this.screen.restore();
    else if (character === "M") this.screen.moveTo(this.screen.row - 1, this.screen.column);
    else if (character < " ") this.control(character);
    return undefined;
  }

  takeCsi(character) {
    if (character >= "@" && character <= "~") {
      const parameters = this.buffer;
      this.reset();
      this.dispatch(character, parameters);
    } else if (character === ESC) {
      this.begin("escape");
    } else if (character < " ") {
      this.control(character);
    } else if (this.buffer.length < MAX_PARAMETERS) {
      this.buffer += character;
    }
  }

  dispatch(final, parameters) {
    const { screen } = this;
    if (/^\?(1049|1047|47)$/.test(parameters) && (final === "h" || final === "l")) {
      screen.alternate(final === "h");
      return;
    }
    if (/[^0-9;:]/.test(parameters)) return;
    const numbers = parameters.split(";").map((part) => Number.parseInt(part, 10) || 0);
    const count = Math.min(Math.max(numbers[0], 1), 100_000);
    const { row, column } = screen;
    switch (final) {
      case "m":
        screen.style = styled(screen.style, parameters);
        break;
      case "A":
        screen.moveTo(row - count, column);
        break;
      case "B":
        screen.moveTo(row + count, column);
        break;
      case "C":
        screen.moveTo(row, column + count);
        break;
      case "D":
        screen.moveTo(row, column - count);
        break;
      case "E":
        screen.moveTo(row + count, 0);
        break;
      case "F":
        screen.moveTo(row - count, 0);
        break;
      case "G":
      case "`":
        screen.moveTo(row, count - 1);
        break;
      case "H":
      case "f":
        screen.moveOnPage(count - 1, Math.max(numbers[1] ?? 1, 1) - 1);
        break;
      case "J":
        screen.eraseInDisplay(numbers[0]);
        break;
      case "K":
        screen.eraseInLine(numbers[0]);
        break;
      case "P":
        screen.shift(count, 0);
        break;
      case "@":
        screen.shift(0, count);
        break;
      case "X":
        screen.eraseColumns(count);
        break;
      case "s":
        screen.save();
        break;
      case "u":
        screen.restore();
        break;
      default:
    }
  }
}

const SWITCHES = {
  1: ["bold", true],
  2: ["dim", true],
  3: ["italic", true],
  4: ["underline", true],
  7: ["inverse", true],
  8: ["concealed", true],
  9: ["strike", true],
  21: ["underline", true],
  23: ["italic", false],
  24: ["underline", false],
  27: ["inverse", false],
  28: ["concealed", false],
  29: ["strike", false],
};

const styles = new Map();

/** The one object for a style, so that equal styles are the same. */
function intern(style) {
  const entries = Object.entries(style).filter(([, value]) => value !== false && value !== null);
  if (!entries.length) return PLAIN;
  const key = JSON.stringify(entries.sort());
  if (!styles.has(key)) {
    if (styles.size > 10_000) styles.clear();
    styles.set(key, Object.freeze(Object.fromEntries(entries)));
  }
  return styles.get(key);
}

/** A style after SGR parameters; colours are numbers up to 255 or "#rrggbb". */
export function styled(style, parameters) {
  const next = { ...style };
  const parts = parameters.split(";");
  for (let i = 0; i < parts.length; i += 1) {
    const [first, ...sub] = parts[i].split(":");
    const code = Number(first);
    if (code === 0) {
      for (const name of Object.keys(next)) delete next[name];
    } else if (code === 4 && sub.length) {
      next.underline = sub[0] !== "0";
    } else if (SWITCHES[code]) {
      const [name, value] = SWITCHES[code];
      next[name] = value;
    } else if (code === 22) {
      next.bold = next.dim = false;
    } else if (code === 38 || code === 48 || code === 58) {
      const colour = sub.length ? colonColour(sub) : semicolonColour(parts.slice(i + 1));
      if (!sub.length) i += colour.used;
      if (colour.value !== null && code !== 58) next[code === 38 ? "fg" : "bg"] = colour.value;
    } else if (code === 39) {
      next.fg = null;
    } else if (code === 49) {
      next.bg = null;
    } else if (code >= 30 && code <= 37) {
      next.fg = code - 30;
    } else if (code >= 90 && code <= 97) {
      next.fg = code - 82;
    } else if (code >= 40 && code <= 47) {
      next.bg = code - 40;
    } else if (code >= 100 && code <= 107) {
      next.bg = code - 92;
    }
  }
  return intern(next);
}

function semicolonColour(rest) {
  if (rest[0] === "5") return { value: indexed(rest[1]), used: 2 };
  if (rest[0] === "2") return { value: direct(rest.slice(1, 4)), used: 4 };
  return { value: null, used: rest.length };
}

function colonColour(sub) {
  if (sub[0] === "5") return { value: indexed(sub[1]) };
  // 38:2:R:G:B, or 38:2:SPACE:R:G:B with the colour space that ISO 8613-6 has there.
  if (sub[0] === "2") return { value: direct(sub.length >= 5 ? sub.slice(2, 5) : sub.slice(1, 4)) };
  return { value: null };
}

function indexed(text) {
  const number = Number(text);
  return text && number <= 255 ? number : null;
}

function direct(parts) {
  if (parts.length < 3) return null;
  const bytes = parts.map((part) => Math.min(Number(part) || 0, 255));
  return `#${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
