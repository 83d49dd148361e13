// How many columns of a terminal a character takes: 0, 1 or 2.

// Combining marks, joiners, variation selectors, skin tones: they belong to the character before.
const ZERO = new RegExp(
  "[\\p{Mn}\\p{Me}\\u200b-\\u200f\\u2060\\ufe00-\\ufe0f\\ufeff" +
    "\\u{1f3fb}-\\u{1f3ff}\\u{e0000}-\\u{e007f}]",
  "u",
);

// East Asian Wide and Fullwidth (UAX #11), and characters shown as emoji by themselves.
const WIDE = new RegExp(
  "[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\u33ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua000-\\ua4cf" +
    "\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6" +
    "\\u{1b000}-\\u{1b2ff}\\u{20000}-\\u{3fffd}]" +
    "|(?![\\u{1f1e6}-\\u{1f1ff}])\\p{Emoji_Presentation}",
  "u",
);

const known = new Map();

/** The width of one code point, given as a string. */
export function width(character) {
  if (character < "\u0300") return 1;
  let found = known.get(character);
  if (found === undefined) {
    if (ZERO.test(character)) found = 0;
    else found = WIDE.test(character) ? 2 : 1;
    if (known.size > 5000) known.clear();
    known.set(character, found);
  }
  return found;
}
