// Draws the lines once more, with a legend that says what is under the pointer. Everything is on
// the page without this; colours are those of the page, and change with its theme.
"use strict";

(() => {
  const HEIGHT = 240;
  const DASHES = [[], [6, 3], [2, 4]];
  const format = new Intl.NumberFormat(document.documentElement.lang || undefined);
  const written = (value) => (value === null || value === undefined ? "–" : format.format(value));

  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return {
      lines: [of("--souvenirs-1"), of("--souvenirs-2"), of("--souvenirs-3")],
      text: of("--body-quiet-color"),
      grid: of("--hairline-color"),
    };
  };

  const options = (data, width) => {
    const { lines, text, grid } = colours();
    const isRtl = document.documentElement.dir === "rtl";
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    return {
      width,
      height: HEIGHT,
      scales: {
        x: { time: false, dir: isRtl ? -1 : 1 },
        y: { range: (plot, least, most) => [0, most || 1] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 90,
          size: 32,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500],
          values: (plot, splits) => splits.map((place) => data.labels[place] ?? ""),
        },
        {
          ...axis,
          side: isRtl ? 1 : 3,
          size: 56,
          incrs: [1, 2, 5].flatMap((n) => [...Array(10).keys()].map((k) => n * 10 ** k)).sort((a, b) => a - b),
          values: (plot, splits) => splits.map(written),
        },
      ],
      legend: { markers: { show: false } },
      cursor: { y: false, drag: { x: false, y: false } },
      series: [
        { value: (plot, place) => data.labels[place] ?? "–", label: data.period },
        ...data.lines.map((line, n) => ({
          label: line.name,
          stroke: lines[n],
          dash: DASHES[n],
          width: 2,
          points: { show: data.labels.length === 1 },
          value: (plot, value) => written(value),
        })),
      ],
    };
  };

  const draw = (place) => {
    const data = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    const columns = [data.labels.map((label, n) => n), ...data.lines.map((line) => line.values)];
    let plot;
    const again = () => {
      plot?.destroy();
      plot = new uPlot(options(data, place.clientWidth), columns, place);
    };
    place.replaceChildren();
    again();
    new ResizeObserver(() => {
      if (place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: HEIGHT });
    }).observe(place);
    return again;
  };

  const plots = [...document.querySelectorAll("[data-chart]")].map(draw);
  const redraw = () => plots.forEach((again) => again());
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
