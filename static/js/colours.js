// Terminal colours as CSS, made readable where text and background are too much alike.

const BACKGROUND = [22, 24, 29];
const TEXT = [215, 218, 224];
const MIN_CONTRAST = 4.5;

// The sixteen colours for text, chosen for the dark background, and for backgrounds.
const TEXT_16 = [
  0x8b93a1, 0xff8078, 0x7fd58f, 0xe5c76b, 0x7fb5ff, 0xdd9bf0, 0x63d3dc, 0xd7dae0,
  0x9aa3b2, 0xffa39d, 0xa2e8ae, 0xf5dd90, 0xa6ccff, 0xedbcfb, 0x93e7ee, 0xffffff,
];
const BACK_16 = [
  0x000000, 0xa8322a, 0x2c7a3c, 0x8a6d14, 0x2a5fb0, 0x86409b, 0x1f7f88, 0xc8ccd4,
  0x5c6370, 0xd6564c, 0x46a35a, 0xc9a227, 0x4f8be0, 0xb467cc, 0x35a9b3, 0xffffff,
];

function split(number) {
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

function rgb(colour, sixteen) {
  if (typeof colour === "string") return split(Number.parseInt(colour.slice(1), 16));
  if (colour < 16) return split(sixteen[colour]);
  if (colour >= 232) return Array(3).fill(8 + (colour - 232) * 10);
  const level = (step) => (step ? 55 + 40 * step : 0);
  const cube = colour - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}

// Relative luminance and contrast as WCAG 2.2 defines them.
function luminance(colour) {
  const [red, green, blue] = colour.map((byte) => {
    const part = byte / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The contrast of two colours, each [red, green, blue]: 1 to 21. */
export function contrast(a, b) {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

function readable(text, background) {
  const target = luminance(background) < 0.18 ? 255 : 0;
  let found = text;
  for (let step = 1; step <= 10 && contrast(found, background) < MIN_CONTRAST; step += 1) {
    found = text.map((byte) => Math.round(byte + ((target - byte) * step) / 10));
  }
  return found;
}

function css(colour) {
  return `rgb(${colour.join(" ")})`;
}

const cache = new WeakMap();

/** `{color, background}` of a style as CSS values; an empty string is the log's own. */
export function coloursOf(style) {
  let found = cache.get(style);
  if (!found) {
    found = compute(style);
    cache.set(style, found);
  }
  return found;
}

function compute(style) {
  let text = style.fg === undefined ? TEXT : rgb(style.fg, TEXT_16);
  let background = style.bg === undefined ? BACKGROUND : rgb(style.bg, BACK_16);
  if (style.inverse) [text, background] = [background, text];
  if (style.dim) text = text.map((byte, i) => Math.round(byte * 0.65 + background[i] * 0.35));
  text = readable(text, background);
  return {
    color: text === TEXT ? "" : css(text),
    background: background === BACKGROUND ? "" : css(background),
  };
}
