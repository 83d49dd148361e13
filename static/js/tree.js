// Output files as a tree of directories that fold, with marks for what is new or has changed.

import { refresh as refreshTimes, setMoment, size } from "./time.js";
import { made } from "./words.js";

// As presentation/files.py has them.
const MAX_DEPTH = 8;
const OPEN_UNTIL = 40;

function folder(name, path) {
  return { name, path, folders: new Map(), files: [], count: 0, bytes: 0, fresh: 0 };
}

/** The files (sorted by path) below one nameless directory. */
function grow(files, marks) {
  const root = folder("", "");
  for (const file of files) {
    const parts = file.path.split("/");
    const names = parts.slice(0, Math.min(parts.length - 1, MAX_DEPTH));
    const below = [root];
    for (const name of names) {
      const { path, folders } = below.at(-1);
      if (!folders.has(name)) folders.set(name, folder(name, `${path}${name}/`));
      below.push(folders.get(name));
    }
    for (const one of below) {
      one.count += 1;
      one.bytes += file.size;
      one.fresh += marks.has(file.url);
    }
    below.at(-1).files.push({ ...file, name: parts.slice(names.length).join("/") });
  }
  return root;
}

function words({ count, bytes, fresh }) {
  const files = `${count} file${count === 1 ? "" : "s"}, ${size(bytes)}`;
  return fresh ? `${files}, ${fresh} new or changed` : files;
}

/** Draws below `place` what templates/parts/folder.html has; `chosen(url)` takes a click on a file. */
export class Tree {
  constructor(place, chosen) {
    this.place = place;
    this.known = null;
    this.marks = new Map();
    this.folded = new Map(); // by path: what the reader has opened or closed
    this.current = "";
    place.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-file]");
      const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
      if (link && plain && chosen(link.dataset.file)) event.preventDefault();
    });
  }

  draw(files) {
    this.mark(files);
    const focused = this.place.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.dataset.file ?? focused?.parentNode.dataset.folder;
    const top = this.place.scrollTop;
    const opened = files.length <= OPEN_UNTIL;
    this.keepFolds(this.opened ?? opened);
    this.opened = opened;
    this.place.replaceChildren(this.list(grow(files, this.marks)));
    this.choose(this.current);
    refreshTimes(this.place);
    this.place.scrollTop = top;
    if (key) this.find(key)?.focus({ preventScroll: true });
  }

  /** What the reader has opened or closed, also in the page as it came, and just now. */
  keepFolds(opened) {
    for (const { dataset, open } of this.place.querySelectorAll("details[data-folder]")) {
      const before = this.folded.get(dataset.folder) ?? opened;
      if (open !== before) this.folded.set(dataset.folder, open);
    }
  }

  /** What is new or has changed since the page was opened. */
  mark(files) {
    const now = new Map(files.map((file) => [file.url, `${file.size} ${file.modified}`]));
    this.first ??= now;
    this.marks = new Map();
    for (const [url, state] of now) {
      const before = this.first.get(url);
      if (before !== state) this.marks.set(url, before === undefined ? "new" : "changed");
    }
  }

  find(key) {
    const quoted = CSS.escape(key);
    return this.place.querySelector(`[data-file="${quoted}"], [data-folder="${quoted}"] > summary`);
  }

  list(root) {
    const list = made("ul", "", "tree");
    list.append(
      ...[...root.folders.values()].map((inner) => this.folder(inner)),
      ...root.files.map((file) => this.file(file)),
    );
    return list;
  }

  /** What lies in a closed directory is drawn when it is opened. */
  folder(inner) {
    const item = made("li", "", "folder");
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    details.dataset.folder = inner.path;
    summary.append(
      made("span", `${inner.name}/`, "file-name"),
      " ",
      made("span", words(inner), "file-size"),
    );
    details.append(summary);
    details.open = this.folded.get(inner.path) ?? this.opened;
    if (details.open) details.append(this.list(inner));
    details.addEventListener("toggle", () => {
      this.folded.set(inner.path, details.open);
      if (!details.open || details.children.length > 1) return;
      details.append(this.list(inner));
      this.choose(this.current);
      refreshTimes(details);
    });
    item.append(details);
    return item;
  }

  file(file) {
    const item = made("li", "", "file");
    const link = made("a", file.name, "file-name");
    link.href = link.dataset.file = file.url;
    link.download = "";
    const time = made("time", "", "file-time");
    time.dataset.when = "";
    setMoment(time, file.modified);
    const mark = this.marks.get(file.url);
    item.append(link, " ");
    if (mark) item.append(made("span", mark, "file-mark"), " ");
    item.append(made("span", size(file.size), "file-size"), " ", time);
    return item;
  }

  /** Mark the file that is shown beside the tree. */
  choose(url) {
    this.current = url;
    for (const link of this.place.querySelectorAll("[aria-current]")) {
      link.removeAttribute("aria-current");
    }
    if (url) this.find(url)?.setAttribute("aria-current", "true");
  }
}
