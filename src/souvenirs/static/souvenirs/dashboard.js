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

  const fetched = async (link) => {
    link.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(link.dataset.part);
      if (!response.ok) throw new Error(response.statusText);
      const found = new DOMParser().parseFromString(await response.text(), "text/html");
      const part = found.getElementById(link.closest(".souvenirs-data").id);
      if (!part) throw new Error("signed out");
      return part;
    } catch {
      link.removeAttribute("aria-busy");
      return null;
    }
  };
  const put = async (part, place) => {
    // A chart that somebody reads by keys stays until they leave it.
    while (place.querySelector(".souvenirs-drawing:focus")) {
      await new Promise((done) => setTimeout(done, 200));
    }
    place.replaceWith(part);
    for (const figure of part.querySelectorAll("[data-chart]")) answer(figure);
  };
  root.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-part]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const part = await fetched(link);
    if (!part) return location.assign(link.href);
    await put(part, link.closest(".souvenirs-data"));
    part.querySelector("[tabindex], a")?.focus();
  });

  // Charts.

  const leading = (path, parameters) => {
    const url = new URL(path, location.href);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  };

  const answer = (figure) => {
    const data = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    const { labels, lines, marks } = data;
    if (!labels.length) return;
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
    // A point is at its place, and a bar fills it.
    const room = data.bars ? STEP : 0;
    let shown = -1;
    let from = -1;

    // Where there is a tip, the browser needs to show none.
    for (const title of svg.querySelectorAll("title")) title.remove();

    const written = (value) => (value === null || value === undefined ? "–" : format.format(value));
    const people = (index) => {
      if (!data.people || !lines[0].values[index]) return "";
      if (data.names) return leading(data.people, { of: data.names[index] });
      const starts = data.starts || data.edges;
      return leading(data.people, { from: starts[index], to: data.edges[index + 1] });
    };
    const row = (name, text) => {
      const line = document.createElement("span");
      if (!name) line.className = "is-note";
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
      marker.setAttribute("d", room ? `M${x} 0h${room}V100h-${room}Z` : `M${x} 0V100`);
      const title = document.createElement("strong");
      title.textContent = labels[index];
      tip.replaceChildren(title);
      for (const { name, values, labels: own } of lines) {
        if (values[index] === null && data.pending?.[index]) continue;
        let text = written(values[index]);
        if (own && own[index]) text += ` (${own[index]})`;
        tip.append(row(name, text));
      }
      const before = lines.at(-1);
      const [value, earlier] = [lines[0].values[index], before.values[index]];
      if (before.labels && value !== null && earlier) {
        tip.append(changes.format(value / earlier - 1));
      }
      if (data.expected && index === last) tip.append(row(...data.expected));
      for (const [place, text] of marks) if (place === index) tip.append(row("", text));
      tip.hidden = false;
      const share = room ? (index + 0.5) / labels.length : last ? index / last : 0.5;
      const width = drawing.clientWidth;
      const left = (isRtl ? 1 - share : share) * width;
      const edge = Math.min(Math.max(left - tip.offsetWidth / 2, 0), width - tip.offsetWidth);
      tip.style.left = `${edge}px`;
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
      const share = isRtl ? 1 - (clientX - left) / width : (clientX - left) / width;
      const index = room ? Math.floor(share * labels.length) : Math.round(share * last);
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
        zoom.setAttribute("d", `M${first * STEP} 0H${final * STEP + room}V100H${first * STEP}Z`);
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
  };

  for (const figure of root.querySelectorAll("[data-chart]")) answer(figure);

  (async () => {
    // One after the other: most are below the fold, and there are other visitors.
    for (const link of root.querySelectorAll("a[data-at-once]")) {
      const part = await fetched(link);
      if (part) put(part, link.closest(".souvenirs-data"));
    }
  })();
})();
