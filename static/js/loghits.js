// The places of the searched text in what can be seen, set apart without changing the page.

const NAME = "log-hit";
const MOST = 100;

/** Set a text apart in some elements; an empty one nowhere. */
export function showHits(nodes, text, ignoreCase) {
  if (!globalThis.CSS?.highlights) return; // the line of the hit is marked anyway
  if (!text) CSS.highlights.delete(NAME);
  else {
    const ranges = nodes.flatMap((node) => rangesIn(node, text, ignoreCase));
    CSS.highlights.set(NAME, new Highlight(...ranges));
  }
}

function folded(text, ignoreCase) {
  return ignoreCase ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text;
}

/** Where it stands in an element, across styles, too. */
function rangesIn(node, text, ignoreCase) {
  const whole = folded(node.textContent, ignoreCase);
  const wanted = folded(text, ignoreCase);
  const ranges = [];
  let at = whole.indexOf(wanted);
  while (at >= 0 && ranges.length < MOST) {
    ranges.push(rangeOf(node, at, at + wanted.length));
    at = whole.indexOf(wanted, at + 1);
  }
  return ranges;
}

function rangeOf(node, begin, end) {
  const range = new Range();
  const parts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  let passed = 0;
  for (let part = parts.nextNode(); part; part = parts.nextNode()) {
    const until = passed + part.length;
    if (begin >= passed && begin < until) range.setStart(part, begin - passed);
    if (end <= until) {
      range.setEnd(part, end - passed);
      break;
    }
    passed = until;
  }
  return range;
}
