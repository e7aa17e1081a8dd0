// The payer's page. What WeChat's bridge answers is never taken for the truth: the page asks its own server.
"use strict";

(function () {
  const LOOK_EVERY_MS = 2000;
  const MOST_LOOKS = 60;
  const BRIDGE_PATIENCE_MS = 5000;

  const page = document.getElementById("checkout");
  const button = document.getElementById("pay");
  const note = document.getElementById("note");
  const texts = page.dataset;

  function say(title, advice, reference, bad) {
    note.textContent = "";
    const parts = [["b", title], ["span", advice], ["small", reference && texts.reference + " " + reference]];
    parts.forEach(function (part) {
      if (!part[1]) return;
      const element = document.createElement(part[0]);
      element.textContent = part[1];
      note.appendChild(element);
    });
    note.className = "note shown" + (bad ? " bad" : "");
  }

  function hush() {
    note.className = "note";
    note.textContent = "";
  }

  function busy(is) {
    if (!button) return;
    button.disabled = is;
    button.setAttribute("aria-busy", String(is));
  }

  function ask(path, body) {
    const options = { credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } };
    if (body !== undefined) {
      options.method = "POST";
      options.headers["Content-Type"] = "application/json";
      options.headers["X-Checkout-Proof"] = texts.proof;
      options.body = JSON.stringify(body);
    }
    return fetch(texts.here + path, options).then(function (answer) {
      return answer.json().then(function (told) {
        return { ok: answer.ok, told: told };
      });
    });
  }

  function offline() {
    say(texts.offline, "", "", true);
    busy(false);
  }

  function wait(ms) {
    return new Promise(function (done) { setTimeout(done, ms); });
  }

  // True once the page is drawing itself anew.
  function look() {
    return ask("/state").then(function (answer) {
      if (!answer.ok || !answer.told.is_final) return false;
      location.reload();
      return true;
    });
  }

  function follow(left) {
    return look().catch(function () { return false; }).then(function (isOver) {
      if (isOver) return;
      if (left <= 1) {
        say(texts.slow, "", "", false);
        busy(false);
        return;
      }
      return wait(LOOK_EVERY_MS).then(function () { return follow(left - 1); });
    });
  }

  function bridge() {
    if (window.WeixinJSBridge) return Promise.resolve(window.WeixinJSBridge);
    return new Promise(function (found, missing) {
      const timer = setTimeout(missing, BRIDGE_PATIENCE_MS);
      document.addEventListener("WeixinJSBridgeReady", function () {
        clearTimeout(timer);
        found(window.WeixinJSBridge);
      }, { once: true });
    });
  }

  function report(kind, told) {
    return ask("/report", { kind: kind, told: String(told || "").slice(0, 400) }).then(function (answer) {
      say(answer.told.title, answer.told.advice, answer.told.reference, true);
    });
  }

  function heard(result) {
    const message = String((result && result.err_msg) || "");
    if (/:ok$/.test(message)) {
      say(texts.confirming, "", "", false);
      return follow(MOST_LOOKS);
    }
    // Cancelled, failed or anything else: it may have been paid all the same, so look before speaking.
    return look().then(function (isOver) {
      if (isOver) return;
      busy(false);
      if (/:cancel$/.test(message)) {
        say(texts.cancelled, "", "", false);
        return;
      }
      return report("bridge", (result && result.err_desc) || message);
    });
  }

  function open(params) {
    return bridge().then(
      function (found) {
        return new Promise(function (done) { found.invoke("getBrandWCPayRequest", params, done); }).then(heard);
      },
      function () {
        busy(false);
        return report("no_bridge", "");
      }
    );
  }

  function pay() {
    busy(true);
    say(texts.opening, "", "", false);
    ask("/pay", {}).then(function (answer) {
      const told = answer.told;
      if (answer.ok && told.pay_params) {
        hush();
        return open(told.pay_params);
      }
      if (answer.ok || told.code === "payer_unknown" || told.code === "foreign_request") {
        location.reload();
        return;
      }
      say(told.title, told.advice, told.retry_after_seconds ? "" : told.reference, true);
      busy(false);
    }).catch(offline);
  }

  if (button) {
    button.addEventListener("click", pay);
    // Back from the cashier, from another app or by the back button: what stands here may be old.
    const glance = function () {
      if (document.visibilityState === "visible") look().catch(function () { return false; });
    };
    document.addEventListener("visibilitychange", glance);
    window.addEventListener("pageshow", function (event) { if (event.persisted) glance(); });
  }

  document.querySelectorAll("[data-told]").forEach(function (choice) {
    choice.addEventListener("click", function () {
      report("sign_in", choice.dataset.told).catch(offline);
    });
  });
})();
