"use strict";

// The reader says its own words in English alone; the page brings them in its language.
const say = (root, labels) => {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  do {
    const node = texts.currentNode;
    const word = node.nodeType === Node.TEXT_NODE ? node.nodeValue.trim() : "";
    const said = labels.get(word);
    if (said && said !== word) node.nodeValue = node.nodeValue.replace(word, said);
  } while (texts.nextNode());
};

window.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("reference");
  const labels = new Map(Object.entries(JSON.parse(place.dataset.labels)));
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const root of change.type === "childList" ? change.addedNodes : [change.target]) say(root, labels);
    }
  }).observe(place, { childList: true, characterData: true, subtree: true });
  window.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    persistAuthorization: false,
    syntaxHighlight: false,
    validatorUrl: null,
  });
});
