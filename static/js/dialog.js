// Dialogs that keep the keyboard inside and give it back where it came from.

// What had the keyboard before a dialog came.
const before = new WeakMap();

/** Whether some dialog has the page for itself. */
export function occupied() {
  return document.querySelector("dialog:modal") !== null;
}

/** Open a dialog over the page. */
export function open(dialog) {
  if (dialog.open) return;
  before.set(dialog, document.activeElement);
  dialog.showModal();
}

/** What had the keyboard may be folded away by now, such as an entry of a menu. */
function giveBack(element) {
  if (element?.isConnected && element.checkVisibility()) {
    element.focus({ preventScroll: true });
    return;
  }
  const summary = element?.closest?.("details")?.querySelector("summary");
  (summary ?? document.getElementById("main")).focus({ preventScroll: true });
}

/** A press beside a dialog closes it, as its buttons do. */
export function setUpDialog(dialog) {
  dialog.addEventListener("close", () => {
    // The event comes late: it may be open again, or something else has the keyboard by now.
    const { activeElement } = document;
    const nowhere = !activeElement || activeElement === document.body;
    if (!dialog.open && (nowhere || dialog.contains(activeElement))) giveBack(before.get(dialog));
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close-dialog]")) dialog.close();
  });
}
