// Dialogs that keep the keyboard inside and give it back where it came from.

/** Whether some dialog has the page for itself. */
export function occupied() {
  return document.querySelector("dialog:modal") !== null;
}

/** Open a dialog over the page. */
export function open(dialog) {
  if (dialog.open) return;
  const before = document.activeElement;
  dialog.addEventListener("close", () => giveBack(before), { once: true });
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
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close-dialog]")) dialog.close();
  });
}
