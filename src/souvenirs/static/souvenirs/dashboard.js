// Draws the lines once more, with a legend that says what is under the pointer. Everything is on
// the page without this; colours are those of the page, and change with its theme.
"use strict";

(() => {
  const HEIGHT = 240;
  const DASHES = [[], [6, 3], [2, 4]];
  const format = new Intl.NumberFormat(document.documentElement.lang || undefined);
  const written = (value) => (value === null || value === undefined ? "–" : format.format(value));

  const colours = (place, keys) => {
    const style = getComputedStyle(place);
    return {
      lines: keys.map((key) => getComputedStyle(key).stroke),
      text: style.color,
      grid: style.borderBlockStartColor,
    };
  };

  const options = (data, width, { lines, text, grid }, tell) => {
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
          size: 36,
          gap: 10,
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
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      hooks: { setCursor: [(plot) => tell(plot.cursor.idx)] },
      series: [
        {},
        ...data.lines.map((line, n) => ({
          stroke: lines[n],
          dash: DASHES[n],
          width: 2,
          points: { show: data.labels.length === 1 },
        })),
      ],
    };
  };

  // Beside the names of the lines: what is under the pointer, or else the last of it.
  const teller = (data, legend) => {
    const places = data.lines.map((line, n) => {
      const value = document.createElement("b");
      legend.children[n].append(value);
      return value;
    });
    const period = document.createElement("li");
    period.className = "souvenirs-at";
    legend.append(period);
    return (index) => {
      const place = index ?? data.labels.length - 1;
      period.textContent = data.labels[place] ?? "";
      places.forEach((value, n) => (value.textContent = written(data.lines[n].values[place])));
    };
  };

  const draw = (place) => {
    const data = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    const columns = [data.labels.map((label, n) => n), ...data.lines.map((line) => line.values)];
    const legend = place.closest("figure").querySelector("ul");
    const keys = [...legend.querySelectorAll("path")];
    const tell = teller(data, legend);
    let plot;
    const again = () => {
      plot?.destroy();
      plot = new uPlot(options(data, place.clientWidth, colours(place, keys), tell), columns, place);
    };
    place.replaceChildren();
    tell(null);
    again();
    new ResizeObserver(() => {
      if (place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: HEIGHT });
    }).observe(place);
    return again;
  };

  const plots = [...document.querySelectorAll("[data-chart]")].map(draw);
  const redraw = () => plots.forEach((again) => again());
  new MutationObserver(redraw).observe(document.documentElement, {
    attributeFilter: ["data-theme", "data-bs-theme", "class"],
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
