// Charts: the library is loaded when the first chart comes into view, once; each chart is drawn from its specification.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let library;
  const load = () => library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.charts;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });

  const colours = () => {
    const style = getComputedStyle(document.body);
    const probe = document.createElement("span");
    document.body.append(probe);
    const colour = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
    const [text, muted, line] = [colour("text"), colour("muted"), colour("line")];
    probe.remove();
    return {
      background: "transparent", font: style.fontFamily,
      axis: { labelColor: muted, titleColor: muted, gridColor: line, domainColor: line, tickColor: line },
      legend: { labelColor: text, titleColor: muted }, title: { color: text }, text: { color: text },
      header: { labelColor: text, titleColor: muted }, view: { stroke: "transparent" },
    };
  };

  const draw = async (figure) => {
    await load();
    const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const drawing = figure.querySelector(".drawing");
    const { config, ...rest } = spec;
    const options = { actions: false, ast: true, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true }, config: { ...config, ...colours() } };
    await vegaEmbed(drawing, { ...rest, width: "container" }, options);
    figure.dataset.drawn = "";
  };

  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "200px" });
  const watch = (root) => root.querySelectorAll("figure.chart").forEach((figure) => {
    figure.querySelector(".drawing").style.setProperty("min-height", figure.querySelector(".drawing").dataset.height);
    seen.observe(figure);
  });
  watch(document);
  document.body.addEventListener("htmx:afterSwap", (event) => watch(event.detail.elt.parentElement || document));
  dark.addEventListener("change", () => document.querySelectorAll("figure.chart[data-drawn]").forEach(draw));
})();
