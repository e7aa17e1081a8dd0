// The cashier inside the bridge's frame: tells the page underneath how it ended.
"use strict";

const LINGER_MS = 1500; // long enough to read that it was paid

const cashier = document.querySelector("[data-opener]");
const { opener: page, result, text } = cashier.dataset;
const leave = () => parent.postMessage({ result, ...(text && { err_desc: text }) }, page);

document.querySelector("[data-leave]")?.addEventListener("click", leave);
if (result === "cancel") leave();
if (result === "ok") setTimeout(leave, LINGER_MS);
