// Keeps the ledger fresh: every three seconds, while somebody looks, the page's middle is fetched anew.
"use strict";

const EVERY_MS = 3000;

async function refresh() {
  const live = document.querySelector("[data-refresh]");
  const busy = live.contains(document.activeElement) || !document.getSelection().isCollapsed;
  if (document.hidden || busy) return;
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  live.replaceChildren(...page.querySelector("[data-refresh]").childNodes);
}

// A simulator that is being restarted is no reason to stop: the next round finds it again.
setInterval(() => refresh().catch(() => undefined), EVERY_MS);
