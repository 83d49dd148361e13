// Raster pictures told by their first bytes: PNG, JPEG, GIF and WebP. SVG is text, and none of them.

const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

function png(bytes, view) {
  if (ascii(bytes, 1, 3) !== "PNG" || bytes[0] !== 0x89 || bytes.length < 24) return null;
  return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
}

function gif(bytes, view) {
  if (!/^GIF8[79]a$/.test(ascii(bytes, 0, 6)) || bytes.length < 10) return null;
  return { type: "image/gif", width: view.getUint16(6, true), height: view.getUint16(8, true) };
}

function webp(bytes, view) {
  if (ascii(bytes, 0, 4) !== "RIFF" || ascii(bytes, 8, 4) !== "WEBP" || bytes.length < 30) return null;
  const three = (at) => 1 + bytes[at] + (bytes[at + 1] << 8) + (bytes[at + 2] << 16);
  const type = "image/webp";
  const kind = ascii(bytes, 12, 4);
  if (kind === "VP8X") return { type, width: three(24), height: three(27) };
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { type, width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff) };
  }
  return { type, width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

/** The size of a JPEG stands in its first frame header (SOF), behind any number of other parts. */
function jpeg(bytes, view) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || bytes[2] !== 0xff) return null;
  for (let at = 2; at + 9 < bytes.length; at += 2 + view.getUint16(at + 2)) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff) return null;
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) {
      return { type: "image/jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
  }
  return null;
}

/** `{type, width, height}` of a picture by its first bytes; null if it is none. */
export function picture(bytes) {
  if (bytes.length < 12) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return png(bytes, view) ?? jpeg(bytes, view) ?? gif(bytes, view) ?? webp(bytes, view);
}
