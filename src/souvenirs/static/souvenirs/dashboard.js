// What the pages do beyond their links and forms, all of which work without it: a choice applies at
// once, a chart says what is under the pointer or the arrow keys, and tables are loaded into place.
"use strict";

(() => {
  const STEP = 10;
  const root = document.querySelector(".souvenirs");
  if (!root) return;
  root.classList.add("has-script");
  const language = document.documentElement.lang || undefined;
  const isRtl = document.documentElement.dir === "rtl";

  // Controls.

  const bar = root.querySelector(".souvenirs-bar");
  const isWrong = root.querySelector(".souvenirs-field.is-wrong");
  if (bar && !isWrong && matchMedia("(max-width: 40rem)").matches) bar.open = false;

  for (const form of root.querySelectorAll("form[data-submits]")) {
    form.addEventListener("change", ({ target }) => {
      // Text is complete when the reader says so, and a time zone as soon as it is one of the list.
      if (target.matches("select, input[list]")) form.requestSubmit();
    });
  }

  const popups = root.querySelectorAll(".souvenirs-pop, .souvenirs-what");
  const closeOthers = (inside) => {
    for (const popup of popups) if (!popup.contains(inside)) popup.open = false;
  };
  document.addEventListener("click", ({ target }) => closeOthers(target));
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    const open = [...popups].find((popup) => popup.contains(document.activeElement));
    closeOthers(null);
    open?.querySelector("summary").focus();
  });

  for (const button of root.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  for (const button of root.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(location.href);
      button.textContent = button.dataset.copy;
    });
  }

  // Parts of the page that are loaded into place.

  const load = async (link) => {
    const place = link.closest(".souvenirs-data");
    link.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(link.dataset.part);
      if (!response.ok) throw new Error(response.statusText);
      const found = new DOMParser().parseFromString(await response.text(), "text/html");
      const part = found.getElementById(place.id);
      if (!part) throw new Error("signed out");
      place.replaceWith(part);
      return root.querySelector(`#${place.id}`);
    } catch {
      link.removeAttribute("aria-busy");
      return null;
    }
  };
  root.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-part]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const shown = await load(link);
    if (!shown) location.assign(link.href);
    else shown.querySelector("[tabindex], a")?.focus();
  });
  (async () => {
    // One after the other: they are below the fold, and there are other visitors.
    for (const link of root.querySelectorAll("a[data-at-once]")) await load(link);
  })();

  // Charts.

  const leading = (path, parameters) => {
    const url = new URL(path, location.href);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  };

  for (const figure of root.querySelectorAll("[data-chart]")) {
    const data = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    const { labels, lines, marks } = data;
    if (!labels.length) continue;
    const options = data.share ? { style: "percent", maximumFractionDigits: 1 } : {};
    const format = new Intl.NumberFormat(language, options);
    const changes = new Intl.NumberFormat(language, {
      style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero",
    });
    const drawing = figure.querySelector(".souvenirs-drawing");
    const svg = drawing.querySelector("svg");
    const marker = svg.querySelector(".marker");
    const zoom = svg.querySelector(".zoom");
    const tip = drawing.querySelector(".souvenirs-tip");
    const last = labels.length - 1;
    let shown = -1;
    let from = -1;

    const written = (value) => (value === null || value === undefined ? "–" : format.format(value));
    const people = (index) => {
      if (!data.people || !lines[0].values[index]) return "";
      if (data.names) return leading(data.people, { of: data.names[index] });
      const starts = data.starts || data.edges;
      return leading(data.people, { from: starts[index], to: data.edges[index + 1] });
    };
    const row = (name, text) => {
      const line = document.createElement("span");
      const label = document.createElement("bdi");
      const value = document.createElement("b");
      label.textContent = name;
      value.textContent = text;
      line.append(label, " ", value);
      return line;
    };
    const show = (index) => {
      shown = index;
      const x = index * STEP;
      marker.setAttribute("d", `M${x} 0V100`);
      const title = document.createElement("strong");
      title.textContent = labels[index];
      tip.replaceChildren(title);
      for (const { name, values, labels: own } of lines) {
        let text = written(values[index]);
        if (own && own[index]) text += ` (${own[index]})`;
        tip.append(row(name, text));
      }
      const before = lines.at(-1);
      const [value, earlier] = [lines[0].values[index], before.values[index]];
      if (before.labels && value !== null && earlier) {
        tip.append(changes.format(value / earlier - 1));
      }
      for (const [place, text] of marks) if (place === index) tip.append(row("", text));
      tip.hidden = false;
      const share = last ? index / last : 0.5;
      const width = drawing.clientWidth;
      const left = (isRtl ? 1 - share : share) * width;
      const room = Math.min(Math.max(left - tip.offsetWidth / 2, 0), width - tip.offsetWidth);
      tip.style.left = `${room}px`;
      svg.classList.toggle("is-link", Boolean(people(index)));
    };
    const hide = () => {
      shown = from = -1;
      marker.removeAttribute("d");
      zoom.removeAttribute("d");
      tip.hidden = true;
    };
    const under = ({ clientX }) => {
      const { left, width } = svg.getBoundingClientRect();
      const share = (clientX - left) / width;
      const index = Math.round((isRtl ? 1 - share : share) * last);
      return Math.min(Math.max(index, 0), last);
    };
    const go = (index) => {
      const url = people(index);
      if (url) location.assign(url);
    };
    const zoomTo = (first, final) => {
      const range = { from: data.edges[first], to: data.edges[final + 1] };
      location.assign(leading(data.zoom, range));
    };

    svg.addEventListener("pointerdown", (event) => {
      show(under(event));
      if (event.button === 0 && event.pointerType === "mouse") from = shown;
    });
    svg.addEventListener("pointermove", (event) => {
      show(under(event));
      if (from >= 0 && data.zoom && from !== shown) {
        const [first, final] = [from, shown].sort((one, other) => one - other);
        zoom.setAttribute("d", `M${first * STEP} 0H${final * STEP}V100H${first * STEP}Z`);
      }
    });
    svg.addEventListener("pointerup", (event) => {
      if (event.pointerType !== "mouse" || from < 0) return;
      const [start, end] = [from, under(event)];
      hide();
      if (start === end) go(end);
      else if (data.zoom) zoomTo(Math.min(start, end), Math.max(start, end));
    });
    svg.addEventListener("pointerleave", hide);

    drawing.tabIndex = 0;
    drawing.setAttribute("role", "group");
    drawing.addEventListener("keydown", (event) => {
      const forward = isRtl ? "ArrowLeft" : "ArrowRight";
      const back = isRtl ? "ArrowRight" : "ArrowLeft";
      const at = shown < 0 ? last : shown;
      const places = { [forward]: shown < 0 ? last : at + 1, [back]: shown < 0 ? last : at - 1, Home: 0, End: last };
      if (event.key in places) {
        event.preventDefault();
        show(Math.min(Math.max(places[event.key], 0), last));
      } else if (event.key === "Enter" && shown >= 0) go(shown);
      else if (event.key === "Escape") hide();
    });
    drawing.addEventListener("blur", hide);
  }
})();
