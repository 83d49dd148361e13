// Places that people name: "1200", "12:34:56", "50 %", "byte 4096", and addresses that lead there.

const WORDS = { start: 0, begin: 0, top: 0 };
const END = ["end", "bottom", "last"];

/** What a text asks for: {line}, {time}, {offset}, {share} or {end}; null where nobody can tell. */
export function parsePlace(text, today) {
  const word = text.trim().toLowerCase();
  if (word in WORDS) return { offset: WORDS[word] };
  if (END.includes(word)) return { end: true };
  const line = /^#?l?(\d[\d\s,._’]*)$/.exec(word);
  if (line) return { line: Math.max(1, Number(line[1].replace(/\D/g, ""))) };
  const share = /^(\d+(?:\.\d+)?)\s*%$/.exec(word);
  if (share) return { share: Math.min(1, Number(share[1]) / 100) };
  const offset = /^(?:byte|offset|@)\s*[:=]?\s*(\d+)$/.exec(word);
  if (offset) return { offset: Number(offset[1]) };
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(word);
  if (clock) {
    const moment = new Date(today);
    moment.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
    if (moment > today) moment.setDate(moment.getDate() - 1);
    return { time: moment.toISOString() };
  }
  const moment = new Date(text.trim());
  return Number.isNaN(moment.getTime()) ? null : { time: moment.toISOString() };
}

/** The place in an address: #L123, #offset=4096, #time=2026-11-22T21:00:00Z. */
export function placeInAddress(hash) {
  const line = /^#L(\d{1,15})$/.exec(hash);
  if (line) return { line: Math.max(1, Number(line[1])) };
  const offset = /^#offset=(\d{1,16})$/.exec(hash);
  if (offset) return { offset: Number(offset[1]) };
  const time = /^#time=([\w:.+%-]{1,60})$/.exec(hash);
  return time ? { time: decodeURIComponent(time[1]) } : null;
}

/** The address of a place. */
export function addressOf(place) {
  return place.line === null ? `#offset=${place.offset}` : `#L${place.line}`;
}
