"use strict";
const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]] };
const told = (figure) => JSON.parse(figure.querySelector("script").textContent);

function draw(figure) {
  const plot = figure.querySelector(".plot");
  if (plot.dataset.drawn) return;
  plot.dataset.drawn = "yes";
  const { data, layout } = told(figure);
  Plotly.newPlot(plot, data, layout, config);
  figure.querySelectorAll("[name]").forEach(choose);
}

function choose(control) {
  const figure = control.closest("figure"), plot = figure.querySelector(".plot");
  if (control.name === "axis") {
    const axes = plot.layout.meta.axes, name = control.value;
    Plotly.update(plot, { x: axes[name] }, { "xaxis.title.text": name, "xaxis.autorange": true });
  } else {
    const seeds = plot.data.map((trace, i) => (trace.meta === "seed" ? i : -1)).filter((i) => i >= 0);
    Plotly.restyle(plot, { visible: control.checked }, seeds);
  }
}

const figures = document.querySelectorAll("figure");
const near = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
  { rootMargin: "400px" },
);
figures.forEach((figure) => near.observe(figure));
document.addEventListener("change", (event) => {
  if (event.target.closest("figure")) choose(event.target);
});
addEventListener("beforeprint", () => {
  figures.forEach(draw);
  document.querySelectorAll("details").forEach((details) => (details.open = true));
});
