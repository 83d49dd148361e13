// Connects a page's websocket while its scripts are still on their way, and keeps what comes for
// them (see socket.js). A plain script for that reason; its element's data-path says where to.
(() => {
  "use strict";
  const { path } = document.currentScript.dataset;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${path}`);
  socket.binaryType = "arraybuffer";
  const early = { path, socket, messages: [], keep: (event) => early.messages.push(event) };
  socket.addEventListener("message", early.keep);
  globalThis.earlySocket = early;
})();
