// What test_matrix.py asks of a page: each function returns what is wrong, as text.
({
  // Elements that overlap, are cut off, are wider than the window, or scroll without a hint.
  layout() {
    const wrong = [];
    const shown = (selector, within = document) =>
      [...within.querySelectorAll(selector)].filter((each) => each.checkVisibility({ visibilityProperty: true }));
    const name = (element) =>
      `${element.tagName}.${element.getAttribute("class")}: ${element.textContent.trim().slice(0, 30)}`;
    const around = (element) => element.getBoundingClientRect();
    const text = (element) => {
      const range = document.createRange();
      range.selectNodeContents(element);
      return range.getBoundingClientRect();
    };
    const apart = (what, elements, box = around) => {
      const boxes = elements.map(box);
      for (let one = 0; one < boxes.length; one++) {
        for (let two = 0; two < one; two++) {
          const [a, b] = [boxes[one], boxes[two]];
          const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          if (width > 1 && height > 1) wrong.push(`${what} overlap: ${name(elements[one])} / ${name(elements[two])}`);
        }
      }
    };
    const controls = ".souvenirs-presets a, .souvenirs-pop > summary, .souvenirs-field, .souvenirs-show";
    const parts = "h2, .souvenirs-what > summary, .souvenirs-value, .souvenirs-change";
    apart("controls", shown(controls));
    apart("pages", shown(".souvenirs-pages a"));
    apart("sections", shown(".souvenirs section"));
    apart("figures", shown(".souvenirs-figure"));
    for (const figure of shown(".souvenirs-figure")) apart("parts of a figure", shown(parts, figure), text);
    for (const axis of shown(".souvenirs-axis, .souvenirs-scale")) apart("labels", shown("span", axis), text);
    for (const legend of shown(".souvenirs-legend")) apart("legend", shown("li", legend));
    for (const box of shown(".souvenirs-scroll")) {
      const hasHint = getComputedStyle(box).backgroundImage !== "none" && box.tabIndex === 0;
      if (box.scrollWidth > box.clientWidth && !hasHint) wrong.push(`no hint: ${name(box)}`);
    }
    for (const element of shown(".souvenirs *")) {
      if (element.closest(".souvenirs-scroll > *, .souvenirs-spoken, svg")) continue;
      const { left, right } = around(element);
      if (left < -1 || right > innerWidth + 1) wrong.push(`too wide: ${name(element)}`);
      const hides = getComputedStyle(element).overflowX !== "visible" && !element.matches(".souvenirs-scroll, select, input");
      if (hides && element.scrollWidth > element.clientWidth + 1) wrong.push(`cut off: ${name(element)}`);
    }
    return wrong;
  },

  // Where the controls, the sentence and the key figures end, and where the chart begins.
  fold() {
    const box = (selector) => document.querySelector(selector).getBoundingClientRect();
    const firsts = [".souvenirs-controls", ".souvenirs-sentence", ".souvenirs-figures"];
    return [...firsts.map((each) => box(each).bottom), box(".souvenirs-summary + section").top];
  },

  // What of a last point that is not over is drawn as if it were.
  cliffs() {
    const wrong = [];
    const end = (path) => Math.max(...path.getAttribute("d").split(/[MLZ]/).filter(Boolean).map(parseFloat));
    const isDashed = (element) => getComputedStyle(element).strokeDasharray !== "none";
    for (const drawing of document.querySelectorAll(".is-lines svg, .souvenirs-spark")) {
      const name = drawing.getAttribute("aria-label") ?? "a segment";
      const { width } = drawing.viewBox.baseVal;
      const lines = [...drawing.querySelectorAll(".line:not(.is-dot, .is-hole, .is-expected), .area")];
      const isOfPeriods = !drawing.closest(".is-small");
      if (isOfPeriods && !lines.some((line) => line.matches(".is-unfinished"))) wrong.push(`whole: ${name}`);
      for (const line of lines) {
        if (line.matches(".is-unfinished") && !isDashed(line)) wrong.push(`solid: ${name}`);
        if (isOfPeriods && !line.matches(".is-unfinished") && end(line) >= width) wrong.push(`to the end: ${name}`);
      }
    }
    for (const drawing of document.querySelectorAll(".is-bars svg")) {
      const last = [...drawing.querySelectorAll("g")].at(-1);
      const bars = [...last.querySelectorAll("rect")];
      if (!bars.length || !last.matches(".is-unfinished") || !bars.every(isDashed)) wrong.push("a whole bar");
    }
    return wrong;
  },

  // Remember what the focus reaches; return how many elements there are to reach.
  watch() {
    const all = ".souvenirs :is(a[href], button, select, input, summary, [tabindex])";
    const left = new Set(
      [...document.querySelectorAll(all)].filter(
        (each) => each.checkVisibility({ visibilityProperty: true }) && each.tabIndex >= 0 && each.type !== "hidden",
      ),
    );
    window.unreached = left;
    window.unseen = [];
    document.addEventListener("focusin", ({ target }) => {
      left.delete(target);
      const hasFrame = getComputedStyle(target).outlineStyle !== "none";
      if (target.closest(".souvenirs") && !hasFrame) window.unseen.push(target);
    });
    return left.size;
  },

  // What the focus has not reached, and where it could not be seen.
  missed() {
    return [...window.unreached, ...window.unseen].map((each) => each.outerHTML.slice(0, 200));
  },
})
