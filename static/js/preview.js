// The preview of one output file: text as text, Markdown as a safe part of it, raster pictures.

import { refused, signedOut, STAY } from "./identity.js";
import { drawMarkdown } from "./markdown.js";
import { picture } from "./picture.js";
import { size } from "./time.js";
import { made } from "./words.js";

// Bytes of a file that are looked at, and of a picture that is shown whole.
const FIRST = 256 * 1024;
const PICTURE = 8 * 1024 * 1024;
const PIXELS = 40_000_000;
// Control characters but tab and newline are shown as their pictures (U+2400 and on).
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;
// What turns the direction of the text around it is shown by its number.
const TURNING = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;

/** At most `most` bytes of a file from its begin on; null if there is no such file any more. */
async function bytesOf(url, most, signal) {
  const headers = { Range: `bytes=0-${most - 1}` };
  const response = await fetch(url, { ...STAY, headers, signal });
  if (refused(response)) signedOut();
  if (response.status === 416) return new Uint8Array(); // it is empty
  if (!response.ok) return null;
  const found = new Uint8Array(await response.arrayBuffer());
  return found.subarray(0, most);
}

/** Bytes as text; null where they are none. */
function textOf(bytes, cut) {
  if (bytes.includes(0)) return null;
  let text;
  try {
    // A character may have been cut in two at the end.
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: cut });
  } catch {
    text = new TextDecoder().decode(bytes);
    const wrong = text.match(/\ufffd/g).length;
    if (wrong > 10 && wrong > text.length / 50) return null;
  }
  return text
    .replaceAll("\r\n", "\n")
    .replace(CONTROLS, (c) => (c === "\x7f" ? "\u2421" : String.fromCharCode(0x2400 + c.charCodeAt(0))))
    .replace(TURNING, (c) => `\u27e8U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);
}

/** Fills the preview of templates/parts/outputs.html; `changed()` hears that it was closed. */
export class Preview {
  constructor(root, changed) {
    this.place = root.querySelector("[data-preview]");
    this.changed = changed;
    this.url = "";
    this.rendered = true;
    this.at("close").addEventListener("click", () => this.close());
    this.place.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    this.at("rendered").addEventListener("click", () => {
      this.rendered = !this.rendered;
      this.at("rendered").setAttribute("aria-pressed", this.rendered);
      this.drawText();
    });
  }

  at(name) {
    return this.place.querySelector(`[data-preview-${name}]`);
  }

  /** Show a file of the listing. */
  async show(file) {
    const same = this.url === file.url;
    this.reading?.abort();
    this.reading = new AbortController();
    this.url = file.url;
    this.state = `${file.size} ${file.modified}`;
    this.place.hidden = false;
    this.at("name").textContent = file.path;
    this.at("download").href = file.url;
    if (!same) {
      this.at("rendered").hidden = true;
      this.at("body").replaceChildren();
      this.at("note").textContent = "Reading …";
      this.at("name").focus({ preventScroll: true });
      this.place.scrollIntoView({ block: "nearest" });
    }
    try {
      await this.fill(file, this.reading.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.nothing("It could not be read. Is the server there?");
    }
  }

  async fill(file, signal) {
    const bytes = await bytesOf(file.url, FIRST, signal);
    if (!bytes) {
      this.nothing("It is not there any more, or cannot be read.");
      return;
    }
    const cut = file.size > bytes.length;
    const looks = picture(bytes);
    if (looks) {
      await this.fillPicture(file, looks, cut, signal);
      return;
    }
    this.text = textOf(bytes, cut);
    if (this.text === null) {
      this.nothing(`A binary file of ${size(file.size)}: it is not shown. Download it instead.`);
      return;
    }
    const part = cut ? `The first ${size(bytes.length)} of ${size(file.size)}.` : "";
    this.at("note").textContent = bytes.length ? part : "It is empty.";
    this.markdown = /\.(md|markdown)$/i.test(file.path);
    this.at("rendered").hidden = !this.markdown;
    this.drawText();
  }

  async fillPicture(file, { type, width, height }, cut, signal) {
    const words = `${width} × ${height} pixels, ${size(file.size)}`;
    if (file.size > PICTURE || width * height > PIXELS) {
      this.nothing(`A picture, too large to be shown here: ${words}. Download it instead.`);
      return;
    }
    const bytes = await bytesOf(file.url, PICTURE, signal);
    const reader = new FileReader();
    const read = new Promise((resolve) => reader.addEventListener("load", resolve));
    // The type is what its first bytes say, whatever its name: never one that could hold a script.
    reader.readAsDataURL(new Blob([bytes ?? new Uint8Array()], { type }));
    await read;
    if (signal.aborted) return;
    const image = document.createElement("img");
    image.alt = `Preview of ${file.path}`;
    image.addEventListener("error", () => this.nothing("A picture that is damaged, or not whole yet."));
    image.src = reader.result;
    this.at("rendered").hidden = true;
    this.at("note").textContent = words;
    this.at("body").replaceChildren(image);
  }

  drawText() {
    const body = this.at("body");
    const { scrollTop = 0 } = body.firstElementChild ?? {};
    const drawn = this.markdown && this.rendered ? made("div", "", "markdown") : made("pre", this.text);
    if (drawn.tagName === "DIV") drawMarkdown(drawn, this.text);
    drawn.tabIndex = 0;
    drawn.dir = "auto";
    drawn.setAttribute("role", "group");
    drawn.setAttribute("aria-label", "Content of the file");
    body.replaceChildren(drawn);
    drawn.scrollTop = scrollTop;
  }

  nothing(words) {
    this.at("rendered").hidden = true;
    this.at("note").textContent = words;
    this.at("body").replaceChildren();
  }

  /** The listing was read again: what has changed is read again, what is gone says so. */
  refresh(files) {
    if (!this.url) return;
    const file = files.get(this.url);
    if (!file) this.at("note").textContent = "This file is not there any more.";
    else if (`${file.size} ${file.modified}` !== this.state) this.show(file);
  }

  close() {
    this.reading?.abort();
    const url = this.url;
    this.url = "";
    this.place.hidden = true;
    this.at("body").replaceChildren();
    this.changed();
    document.querySelector(`[data-file="${CSS.escape(url)}"]`)?.focus();
  }
}
