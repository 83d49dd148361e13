// The log's own scrollbar: its length is that of the whole log in bytes.

const LEAST = 28; // pixels of the thumb
const DRAG_PAUSE = 120;

/** `jump(offset)` is called where the reader pulls to; `toEnd()` at the very end. */
export class LogScroll {
  constructor(track, { jump, toEnd }) {
    this.track = track;
    this.thumb = track.firstElementChild;
    this.jump = jump;
    this.toEnd = toEnd;
    this.total = 0;
    this.grip = null;
    this.timer = 0;
    track.addEventListener("pointerdown", (event) => this.press(event));
    track.addEventListener("pointermove", (event) => this.pull(event));
    for (const name of ["pointerup", "pointercancel"]) {
      track.addEventListener(name, (event) => this.release(event));
    }
  }

  /** Show the bytes from `begin` to `end` of `total`. */
  show(begin, end, total) {
    this.total = total;
    this.seen = Math.max(1, end - begin);
    this.track.hidden = total <= 0 || (begin <= 0 && end >= total);
    if (this.track.hidden || this.grip !== null) return;
    const height = this.track.clientHeight;
    this.length = Math.min(height, Math.max(LEAST, (height * this.seen) / total));
    const share = total > this.seen ? Math.min(1, begin / (total - this.seen)) : 0;
    this.thumb.style.height = `${this.length}px`;
    this.move(share * (height - this.length));
    const percent = Math.round(share * 100);
    this.track.setAttribute("aria-valuenow", percent);
    this.track.setAttribute("aria-valuetext", `${percent} % of the log`);
  }

  move(top) {
    this.top = top;
    this.thumb.style.transform = `translateY(${top}px)`;
  }

  press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.track.setPointerCapture(event.pointerId);
    const y = event.clientY - this.track.getBoundingClientRect().top;
    const onThumb = y >= this.top && y <= this.top + this.length;
    this.grip = onThumb ? y - this.top : this.length / 2;
    if (!onThumb) this.pull(event);
  }

  pull(event) {
    if (this.grip === null) return;
    const room = this.track.clientHeight - this.length;
    const y = event.clientY - this.track.getBoundingClientRect().top - this.grip;
    this.move(Math.min(Math.max(0, y), room));
    this.timer ||= setTimeout(() => this.go(), DRAG_PAUSE);
  }

  release() {
    if (this.grip === null) return;
    if (this.timer) this.go();
    this.grip = null;
  }

  go() {
    clearTimeout(this.timer);
    this.timer = 0;
    const room = this.track.clientHeight - this.length;
    const share = room > 0 ? this.top / room : 0;
    if (share > 0.999) this.toEnd();
    else this.jump(Math.floor(share * Math.max(0, this.total - this.seen)));
  }
}

// A browser glides on to where it was told to scroll for no longer than this (ms).
const GLIDE = 1000;

/** Whether what scrolls now may have been asked for before the end was. */
export class Glide {
  constructor(box) {
    this.touched = this.from = 0;
    for (const kind of ["wheel", "pointerdown", "touchmove", "keydown"]) {
      const note = () => (this.touched = performance.now());
      box.addEventListener(kind, note, { capture: true, passive: true });
    }
  }

  /** The end is asked for now. */
  begin() {
    this.from = performance.now();
  }

  get on() {
    return this.touched <= this.from && performance.now() - this.from < GLIDE;
  }
}
