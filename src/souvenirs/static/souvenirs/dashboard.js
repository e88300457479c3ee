// Shows the values under the pointer in the legend of a chart, in place of the last ones.
"use strict";

(() => {
  const STEP = 10;
  const format = new Intl.NumberFormat(document.documentElement.lang || undefined);

  for (const figure of document.querySelectorAll("[data-chart]")) {
    const { labels, lines } = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    if (!labels.length) continue;
    const drawing = figure.querySelector(".souvenirs-drawing svg");
    const marker = figure.querySelector(".marker");
    const period = figure.querySelector(".souvenirs-at");
    const values = figure.querySelectorAll(".souvenirs-legend b");
    const last = labels.length - 1;

    const show = (index) => {
      period.textContent = labels[index];
      values.forEach((value, line) => {
        const found = lines[line][index];
        value.textContent = found === null ? "–" : format.format(found);
      });
    };
    const follow = (event) => {
      const { left, width } = drawing.getBoundingClientRect();
      const share = (event.clientX - left) / width;
      const index = Math.round((document.documentElement.dir === "rtl" ? 1 - share : share) * last);
      const shown = Math.min(Math.max(index, 0), last);
      marker.setAttribute("d", `M${shown * STEP} 0V100`);
      show(shown);
    };
    drawing.addEventListener("pointerdown", follow);
    drawing.addEventListener("pointermove", follow);
    drawing.addEventListener("pointerleave", () => {
      marker.removeAttribute("d");
      show(last);
    });
  }
})();
