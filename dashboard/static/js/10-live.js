// Live changes: the parts of the page that show what has changed are read again, in their place.
(() => {
  "use strict";
  const notice = document.querySelector(".live-notice");
  const path = document.body.dataset.live;
  if (!path || !window.EventSource) return;

  let quiet;
  const say = (text) => {
    notice.textContent = text;
    notice.hidden = false;
    clearTimeout(quiet);
    quiet = setTimeout(() => { notice.hidden = true; }, 4000);
  };

  // A part in which a person types, or has opened a form, is left as it is: replacing it would take their words away.
  const isInUse = (part) =>
    part.querySelector("details[open] form") !== null
    || (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));
  for (const name of ["htmx:responseError", "htmx:sendError"]) {
    document.body.addEventListener(name, () => say("A part of this page could not be read again. Reload the page."));
  }
  const waiting = new Set();
  let soon;
  const refresh = () => {
    soon = undefined;
    let changed = false;
    for (const part of document.querySelectorAll("[data-live-kinds]")) {
      const kinds = part.dataset.liveKinds.split(" ");
      if (!kinds.some((kind) => [...waiting].some((name) => name === "reload" || name.startsWith(kind)))) continue;
      if (isInUse(part)) { say("This page has changed elsewhere. Reload it when you are done."); continue; }
      htmx.trigger(part, "hub:changed");
      changed = true;
    }
    if (changed) say("Updated just now.");
    waiting.clear();
  };
  const note = (event) => {
    waiting.add(event.type);
    soon ??= setTimeout(refresh, 250);
  };

  const connect = () => {
    const source = new EventSource(path);
    for (const kind of (document.body.dataset.liveEvents || "").split(" ").filter(Boolean)) source.addEventListener(kind, note);
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  if (document.querySelector("[data-live-kinds]")) connect();
})();
