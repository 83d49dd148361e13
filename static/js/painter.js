// Draws when there is something new: at the next frame, but never most of the time.

// A hidden tab gets no frames; it draws by a timer (milliseconds).
const WITHOUT_FRAMES = 250;
const LONGEST_PAUSE = 600;

/** Calls `draw` soon after `request`, once for many requests. */
export class Painter {
  constructor(draw) {
    this.draw = draw;
    this.notBefore = 0;
    this.requested = false;
  }

  request() {
    if (this.requested) return;
    this.requested = true;
    const pause = this.notBefore - performance.now();
    if (pause > 16) setTimeout(() => this.soon(), pause);
    else this.soon();
  }

  soon() {
    this.frame = requestAnimationFrame(() => this.paint());
    this.timer = setTimeout(() => this.paint(), WITHOUT_FRAMES);
  }

  paint() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.requested = false;
    const begun = performance.now();
    this.draw();
    const end = performance.now();
    // However much there is to draw, two thirds of the time are left for everything else.
    this.notBefore = end + Math.min(2 * (end - begun), LONGEST_PAUSE);
  }
}
