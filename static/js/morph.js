// Brings elements to what the server's HTML says, changing only what differs: what is open, marked or
// focused stays so. Elements with data-key are the same wherever they stand.

const parser = new DOMParser();
// What belongs to the reader, not to the server.
const OWN = { DETAILS: ["open"] };

/** Give `element` the children that `html` describes. */
export function morph(element, html) {
  const focused = document.activeElement;
  const inside = element.contains(focused) && element !== focused;
  children(element, parser.parseFromString(html, "text/html").body);
  if (!inside || document.activeElement === focused) return;
  if (focused.isConnected) focused.focus({ preventScroll: true });
  else document.getElementById("main").focus({ preventScroll: true });
}

function keyOf(node) {
  return node.dataset?.key;
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

function children(old, fresh) {
  const keyed = new Map([...old.children].filter(keyOf).map((child) => [keyOf(child), child]));
  const wanted = new Set([...fresh.children].map(keyOf));
  let place = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    while (place && keyOf(place) !== undefined && !wanted.has(keyOf(place))) place = drop(place);
    const key = keyOf(node);
    const candidate = key === undefined ? place : keyed.get(key);
    if (!candidate || !alike(candidate, node)) {
      old.insertBefore(document.importNode(node, true), place);
      continue;
    }
    if (candidate === place) place = place.nextSibling;
    else old.insertBefore(candidate, place);
    update(candidate, node);
  }
  while (place) place = drop(place);
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function update(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  const own = OWN[old.nodeName] ?? [];
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !own.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  children(old, fresh);
}
