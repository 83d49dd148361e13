// Words in passing, in a corner of the page.

const SHOWN_FOR = 7000;
const AT_ONCE = 4;

/** Say something in passing. */
export function toast(text) {
  const place = document.querySelector("[data-toasts]");
  const element = document.createElement("p");
  element.className = "toast";
  element.textContent = text;
  place.append(element);
  while (place.children.length > AT_ONCE) place.firstElementChild.remove();
  setTimeout(() => element.remove(), SHOWN_FOR);
}
