// WeixinJSBridge for an ordinary browser, as WeChat's own browser would bring it.
//
// Load it with <script src="{simulator}/bridge.js">. It draws with CSSOM only, so the page's policy
// needs nothing but this origin in script-src, connect-src and frame-src.
"use strict";

(() => {
  const origin = new URL(document.currentScript.src).origin;

  const style = (element, rules) => Object.assign(element.style, rules);

  function toast(text) {
    const note = document.createElement("div");
    note.setAttribute("role", "alert");
    note.textContent = text;
    style(note, {
      position: "fixed", left: "50%", top: "42%", transform: "translate(-50%, -50%)", zIndex: "2147483647",
      maxWidth: "min(300px, 78vw)", padding: "14px 18px", borderRadius: "10px", background: "rgba(28, 30, 33, .92)",
      color: "#fff", font: "15px/1.6 -apple-system, 'PingFang SC', 'Noto Sans CJK SC', sans-serif",
      textAlign: "center", overflowWrap: "anywhere", pointerEvents: "none",
    });
    document.body.append(note);
    setTimeout(() => note.remove(), 6000);
  }

  function cashier(url, done) {
    const shade = document.createElement("div");
    const frame = document.createElement("iframe");
    const wide = matchMedia("(min-width: 600px)").matches;
    style(shade, {
      position: "fixed", inset: "0", zIndex: "2147483646", background: "rgba(0, 0, 0, .55)",
      display: "grid", placeItems: wide ? "center" : "end stretch",
    });
    style(frame, {
      border: "0", background: "#ededed", width: wide ? "420px" : "100%",
      height: wide ? "min(680px, 92vh)" : "min(640px, 92vh)", borderRadius: wide ? "16px" : "16px 16px 0 0",
    });
    frame.title = "微信支付";
    frame.src = url;
    const hear = (event) => {
      if (event.origin !== origin || event.source !== frame.contentWindow) return;
      removeEventListener("message", hear);
      shade.remove();
      done(event.data);
    };
    addEventListener("message", hear);
    shade.append(frame);
    document.body.append(shade);
    frame.focus();
  }

  async function pay(params, callback) {
    const name = "get_brand_wcpay_request";
    const fail = (text) => {
      toast(text);
      callback({ err_msg: `${name}:fail`, err_desc: text });
    };
    let answer;
    try {
      // Plain text needs no preflight; what the call may do is decided by the signature in it.
      const body = JSON.stringify({ params, url: location.href });
      const headers = { "Content-Type": "text/plain" };
      answer = await (await fetch(`${origin}/bridge/pay`, { method: "POST", headers, body })).json();
    } catch (problem) {
      return fail(`网络异常：${problem.message}`);
    }
    if (!answer.cashier) return fail(answer.err_desc);
    cashier(answer.cashier, ({ result, err_desc }) => {
      callback({ err_msg: `${name}:${result}`, ...(err_desc && { err_desc }) });
    });
  }

  window.WeixinJSBridge = {
    invoke(name, params, callback = () => undefined) {
      if (name === "getBrandWCPayRequest") pay(params ?? {}, callback);
      else if (name === "closeWindow") window.close();
      else callback({ err_msg: `${name}:fail`, err_desc: "system:function_not_exist" });
    },
    call(name) {
      this.invoke(name);
    },
    on() {
      // Events of WeChat's own menus: there are no menus here.
    },
  };

  const ready = () => document.dispatchEvent(new Event("WeixinJSBridgeReady"));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else setTimeout(ready);
})();
