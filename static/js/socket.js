// A websocket that comes back: exponential backoff with jitter, and a sign of its state.

import { ask, onSignedOut, signedOut } from "./identity.js";

const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
// The server says something at least every 15 s; after this long the line is dead.
const SILENCE = 32_000;
// What was sent is acknowledged once so much of it is here (bytes); the server stops at three and
// a half times that (WINDOW_BYTES in sessions_app/viewer.py).
const ACKNOWLEDGED = 256 * 1024;
// Events of the document: when it is tried again, and that the reader asks for it now.
export const RETRY = "hive-retry";
export const RETRY_NOW = "hive-retry-now";
// Codes after which coming back is of no use (sessions_app/consumers.py).
const MALFORMED = 4400;
const GONE = 4404;
// What let the reader in counts no more (hiveweb/revocation.py).
const REVOKED = 4401;

/**
 * A connection that is kept up.
 *
 * @param {() => string} path gives path and query at each connect, so that it can resume.
 * @param {object} handlers `text(message)`, `binary(buffer)`, `opened()`, `state(name)`; states are
 *   "connecting", "live", "lost", "over" and "out" (signed out). `outdated()` is called when the
 *   reader is another one, or may do other things, than when the page was made. One that is
 *   `aside: true` brings the page nothing it could not do without: its retries are not told.
 *
 * Another try is told by the event RETRY, with when it comes (`at`, null for never) and when the
 * server was heard last (`heard`), both as Date.now() counts.
 */
export class LiveSocket {
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.wait = FIRST_WAIT;
    this.socket = null;
    this.timer = 0;
    this.over = false;
    this.heardAt = Date.now();
    const again = () => {
      if (!document.hidden && !this.socket && !this.over) this.connect();
    };
    document.addEventListener("visibilitychange", again);
    window.addEventListener("online", again);
    window.addEventListener("pageshow", again);
    setInterval(() => this.checkSilence(), 5000);
    document.addEventListener(RETRY_NOW, () => this.hurry());
    onSignedOut(() => this.end());
    this.connect();
  }

  /** Whoever waits for the next try may ask for it; one that hangs is given up for it. */
  hurry() {
    if (this.over || this.socket?.readyState === WebSocket.OPEN) return;
    const hanging = this.socket;
    this.socket = null;
    hanging?.close();
    this.connect();
  }

  tellRetry(wait) {
    if (this.handlers.aside) return;
    const at = wait === null ? null : Date.now() + wait;
    document.dispatchEvent(new CustomEvent(RETRY, { detail: { at, heard: this.heardAt } }));
  }

  /** Send a message if the line is up; what it would say is told again after a reconnect. */
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** All that came up to `mark` is here; said now and then, since each message costs the server. */
  acknowledge(mark) {
    if (this.received < ACKNOWLEDGED) return;
    this.received = 0;
    this.send({ ack: mark });
  }

  /** Connect now, whatever was planned. */
  connect() {
    clearTimeout(this.timer);
    const { socket, messages } = connectTo(this.path());
    this.socket = socket;
    this.heard = performance.now();
    this.received = 0;
    let opened = false;
    const open = () => {
      opened = true;
      this.handlers.opened?.();
    };
    const take = (event) => {
      if (this.socket !== socket) return;
      this.heard = performance.now();
      this.heardAt = Date.now();
      this.wait = FIRST_WAIT;
      this.handlers.state("live");
      this.received += event.data.byteLength ?? event.data.length;
      if (typeof event.data === "string") this.handlers.text(JSON.parse(event.data));
      else this.handlers.binary?.(event.data);
    };
    if (socket.readyState === WebSocket.OPEN) queueMicrotask(open);
    else socket.addEventListener("open", open);
    // Whoever makes us has to know us before we call them.
    queueMicrotask(() => messages.forEach(take));
    socket.addEventListener("message", take);
    socket.addEventListener("close", (event) => {
      if (this.socket === socket) this.closed(event.code, opened);
    });
  }

  /** Drop the line and connect again, as after a loss. */
  reconnect() {
    const socket = this.socket;
    if (!socket) return;
    this.closed(1006);
    socket.close();
  }

  closed(code, opened = true) {
    this.socket = null;
    if (code === GONE || code === MALFORMED) {
      this.over = true;
      this.tellRetry(null);
      this.handlers.state(code === GONE ? "over" : "lost");
      return;
    }
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.tellRetry(wait);
    this.handlers.state("lost");
    this.timer = setTimeout(() => this.connect(), wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    // A browser is not told why a connection was refused.
    if (code === REVOKED || !opened) this.askWhy(code);
  }

  async askWhy(code) {
    const answer = await ask();
    if (answer === "out") signedOut();
    if (answer === "in" && code === REVOKED) this.handlers.outdated?.();
  }

  /** Nobody is signed in: coming back is of no use. */
  end() {
    clearTimeout(this.timer);
    this.over = true;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.handlers.state("out");
  }

  checkSilence() {
    if (this.socket && performance.now() - this.heard > SILENCE) this.reconnect();
  }
}

/** A connection to a path: one that was made before there were modules (socket-early.js), or new. */
function connectTo(path) {
  const early = globalThis.earlySocket;
  if (early?.path === path && early.socket.readyState <= WebSocket.OPEN) {
    globalThis.earlySocket = null;
    early.socket.removeEventListener("message", early.keep);
    return early;
  }
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${path}`);
  socket.binaryType = "arraybuffer";
  return { socket, messages: [] };
}
