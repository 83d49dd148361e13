// The choice of columns: kept in this browser, and applied before the page is painted
// (columns-early.js).

export function setUpColumns() {
  const chooser = document.querySelector("[data-columns]");
  if (!chooser) return;
  const root = document.documentElement;
  const boxes = [...chooser.querySelectorAll("input")];
  const hidden = root.dataset.hide.split(" ");
  for (const box of boxes) box.checked = !hidden.includes(box.value);
  chooser.addEventListener("change", () => {
    root.dataset.hide = boxes
      .filter((box) => !box.checked)
      .map((box) => box.value)
      .join(" ");
    try {
      localStorage.setItem("hive-hidden-columns", root.dataset.hide);
    } catch {
      // Storage may be off: the choice then lasts as long as the page.
    }
  });
  const close = (event) => {
    if (chooser.open && !chooser.contains(event.target)) chooser.open = false;
  };
  document.addEventListener("pointerdown", close);
  document.addEventListener("focusin", close);
  chooser.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !chooser.open) return;
    chooser.open = false;
    chooser.querySelector("summary").focus();
  });
  chooser.hidden = false;
}
