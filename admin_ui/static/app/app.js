// Small comforts. Every page works without them.
(() => {
  const toast = document.getElementById("toast");
  let hiding;

  const say = (text) => {
    toast.textContent = text;
    toast.classList.add("shown");
    clearTimeout(hiding);
    hiding = setTimeout(() => toast.classList.remove("shown"), 1600);
  };

  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      const area = document.createElement("textarea");
      area.value = button.dataset.copy;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1600);
    say(document.body.dataset.copied);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    if (event.target.closest("[data-print]")) window.print();
  });

  // A choice in a filter takes effect at once; text waits for Enter.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto-submit]");
    if (form && event.target.matches("select, input[type=date]")) form.requestSubmit();
  });

  // Empty fields do not belong in an address that is sent to a colleague.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "get") return;
    for (const field of event.target.querySelectorAll("input[name], select[name]")) {
      if (!field.value) field.disabled = true;
    }
  });
  window.addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[method=get] :disabled")) field.disabled = false;
  });

  // "/" goes to the search field, as people expect.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
    const finder = document.querySelector("[data-finder]");
    if (finder) {
      event.preventDefault();
      finder.focus();
    }
  });
})();
