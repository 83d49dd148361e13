// A shell's command line: words quoted for it, and text split into words as it would.

const PLAIN = /^[\w/.:,@%+-][\w/.:,@%+=-]*$/;
// What a terminal could obey or draw out of order when it is pasted; a line feed is none.
const STEERS = /[\0-\t\v-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/**
 * One word for bash, zsh or ksh: what comes out is `text`, whatever is in it.
 * With control characters it is written as $'...', which dash does not know.
 */
export function quote(text) {
  if (PLAIN.test(text)) return text;
  if (!STEERS.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  let quoted = "";
  for (const character of text) {
    if (character === "\n") quoted += "\\n";
    else if (character === "'" || character === "\\") quoted += `\\${character}`;
    else if (STEERS.test(character)) {
      for (const byte of new TextEncoder().encode(character)) {
        quoted += `\\x${byte.toString(16).padStart(2, "0")}`;
      }
    } else quoted += character;
  }
  return `$'${quoted}'`;
}

/** A JSON text with such characters spelled as \uXXXX: they stand in strings only. */
export function harmlessJson(json) {
  const steers = new RegExp(STEERS.source.replace("[\\0-\\t\\v-\\x1f", "["), "gu");
  return json.replace(steers, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Words as Python's shlex.split finds them, which reads the form; null where a quote is open. */
export function split(text) {
  const words = [];
  let word = null;
  let quoted = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character === quoted) quoted = "";
      else if (character === "\\" && quoted === '"' && /["\\]/.test(text[at + 1] ?? "")) {
        at += 1;
        word += text[at];
      } else word += character;
    } else if (" \t\r\n".includes(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word ??= "";
      if (character === "'" || character === '"') quoted = character;
      else if (character !== "\\") word += character;
      else if (at + 1 === text.length) return null;
      else {
        at += 1;
        word += text[at];
      }
    }
  }
  if (quoted) return null;
  return word === null ? words : [...words, word];
}
