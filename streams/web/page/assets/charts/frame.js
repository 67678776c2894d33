// What all charts share: they fill the width they have, a cursor moves over their places by pointer and by keys and says
// what lies there, and a table holds the same figures.

import { h, redraw, s } from "../dom.js";
import { t } from "../i18n.js";
import { nearest } from "./scale.js";

const KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

/**
 * A chart by the name `label`. `draw(model, size)` returns {nodes, xs, dots(index)}: what to show, where the places lie, and
 * the points [y, class] that the cursor marks; `tip(model, index)` returns {title, rows: [[class, name, value]]}; `table(model)`
 * {head, rows}. The element and `update(model)`; a model that is null shows `empty`.
 */
export function chart({ label, height = 220, empty, draw, tip, table }) {
  const picture = s("svg", { "aria-hidden": "true", focusable: "false" });
  const cursor = s("g", { class: "cursor", "aria-hidden": "true" });
  const tooltip = h("div", { class: "tooltip", hidden: true, "aria-hidden": "true" });
  const plot = h("div", { class: "plot", tabindex: "0", role: "slider", "aria-label": label }, picture, tooltip);
  const rows = h("div", { class: "scroll" });
  const details = h("details", { class: "figures" }, h("summary", {}, t("chart.table")), rows);
  const nothing = h("div", { class: "empty", hidden: true }, empty);
  const element = h("figure", { class: "chart" }, plot, nothing, details);
  let [model, drawing, place, asked] = [null, null, null, false];

  function size() {
    return { width: plot.clientWidth, height: typeof height === "function" ? height(plot.clientWidth) : height };
  }

  function show() {
    nothing.hidden = model !== null || !asked;
    plot.hidden = details.hidden = model === null;
    if (model === null || plot.clientWidth === 0) return;
    const { width, height: tall } = size();
    drawing = draw(model, { width, height: tall });
    picture.setAttribute("viewBox", `0 0 ${width} ${tall}`);
    picture.setAttribute("height", tall);
    picture.replaceChildren(...drawing.nodes.flat(Infinity).filter(Boolean), cursor);
    plot.setAttribute("aria-valuemin", "1");
    plot.setAttribute("aria-valuemax", String(drawing.xs.length));
    point(place === null ? null : Math.min(place, drawing.xs.length - 1));
    if (details.open) fill();
  }

  function text(index) {
    const { title, rows: lines } = tip(model, index);
    return `${title}: ${lines.map(([, name, value]) => `${name} ${value}`).join(", ")}`;
  }

  function point(index) {
    place = index;
    const last = drawing.xs.length - 1;
    plot.setAttribute("aria-valuenow", String((index ?? last) + 1));
    plot.setAttribute("aria-valuetext", text(index ?? last));
    tooltip.hidden = index === null;
    cursor.replaceChildren();
    if (index === null) return;
    const { width, height: tall } = size();
    const x = drawing.xs[index];
    const dots = drawing.dots(index).map(([y, kind]) => s("circle", { cx: x, cy: y, r: 4, class: kind }));
    cursor.append(s("line", { x1: x, x2: x, y1: drawing.top ?? 0, y2: drawing.bottom ?? tall }), ...dots);
    const { title, rows: lines } = tip(model, index);
    tooltip.replaceChildren(
      h("strong", {}, title),
      h("ul", {}, lines.map(([kind, name, value]) => h("li", {}, h("i", { class: `swatch ${kind}` }), h("span", {}, name), h("b", {}, value)))),
    );
    const beside = x > width / 2 ? x - tooltip.offsetWidth - 12 : x + 12;
    tooltip.style.setProperty("left", `${Math.max(0, Math.min(beside, width - tooltip.offsetWidth))}px`);
  }

  function fill() {
    redraw(rows, table(model), ({ head, rows: lines }) =>
      h("table", {}, h("caption", { class: "unseen" }, label), h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, lines.map(([first, ...others]) => h("tr", {}, h("th", { scope: "row" }, first), others.map((cell) => h("td", {}, cell)))))));
  }

  plot.addEventListener("pointermove", (event) => {
    if (drawing) point(nearest(drawing.xs, event.clientX - plot.getBoundingClientRect().left));
  });
  plot.addEventListener("pointerleave", () => drawing && point(null));
  plot.addEventListener("focus", () => drawing && plot.matches(":focus-visible") && point(place ?? drawing.xs.length - 1));
  plot.addEventListener("blur", () => drawing && point(null));
  plot.addEventListener("keydown", (event) => {
    if (!drawing) return;
    if (event.key === "Escape") point(null);
    else if (event.key in KEYS) {
      event.preventDefault();
      point(Math.max(0, Math.min(drawing.xs.length - 1, (place ?? drawing.xs.length - 1) + KEYS[event.key])));
    }
  });
  details.addEventListener("toggle", () => details.open && model !== null && fill());
  let width = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth !== width) {
      width = plot.clientWidth;
      show();
    }
  }).observe(element);

  return {
    element,
    plot,
    update(next) {
      [model, asked] = [next, true];
      show();
    },
    point(index) {
      if (drawing) point(index);
    },
  };
}

/** Lines and labels of the axes of a plot between left, right and bottom; `y` and `labels` as [place, text]. */
export function axes({ left, right, bottom }, y, labels) {
  return [
    y.map(([place, text]) => [
      s("line", { class: "grid", x1: left, x2: right, y1: place, y2: place }),
      s("text", { class: "tick", x: left - 8, y: place + 4, "text-anchor": "end" }, text),
    ]),
    labels.map(([place, text], index) =>
      s("text", { class: "tick", x: place, y: bottom + 18, "text-anchor": anchor(place, left, right, index, labels.length) }, text)),
  ];
}

function anchor(place, left, right, index, labels) {
  if (labels > 1 && index === 0 && place < left + 12) return "start";
  if (index === labels - 1 && place > right - 12) return "end";
  return "middle";
}
