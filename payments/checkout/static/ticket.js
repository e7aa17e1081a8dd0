// Tells WeChat's payment app that the merchant's ticket is there; after three seconds it gives up on it.
"use strict";

(function () {
  const ticket = document.getElementById("ticket");
  if (window.parent === window) return;
  const message = { action: "onIframeReady", displayStyle: "SHOW_CUSTOM_PAGE", height: ticket.scrollHeight };
  window.parent.postMessage(JSON.stringify(message), ticket.dataset.parent);
})();
