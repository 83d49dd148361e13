// How many sessions are in each state: the chips above the list.

/** The chips, whatever else the list shows. */
export class Counts {
  constructor() {
    this.chips = [...document.querySelectorAll("[data-chips] [data-status]")].map((chip) => ({
      status: chip.dataset.status,
      place: chip.querySelector("[data-count]"),
    }));
    this.now = Object.fromEntries(
      this.chips.map(({ status, place }) => [status, Number(place.textContent)]),
    );
  }

  get running() {
    return this.now.running;
  }

  get total() {
    const states = this.chips.filter(({ status }) => status);
    return states.reduce((sum, { status }) => sum + (this.now[status] ?? 0), 0);
  }

  show(counts) {
    this.now = counts;
    for (const { status, place } of this.chips) {
      const count = status ? (counts[status] ?? 0) : this.total;
      if (place.textContent !== String(count)) place.textContent = count;
      place.toggleAttribute("data-some", count > 0);
    }
  }
}
