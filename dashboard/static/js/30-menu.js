// The menu: always open beside the page on a desk, closed above it on a phone until it is asked for.
(() => {
  "use strict";
  const menu = document.querySelector(".side details");
  if (!menu) return;
  const desk = matchMedia("(min-width: 60rem)");
  const fit = () => { menu.open = desk.matches; };
  fit();
  desk.addEventListener("change", fit);
})();
