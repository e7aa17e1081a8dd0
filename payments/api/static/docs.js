"use strict";

window.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("reference");
  window.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    persistAuthorization: false,
    validatorUrl: null,
  });
});
