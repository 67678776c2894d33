// Shares of categories over time: as a stream around a middle line, or stacked up to one.

import { h, redraw, s } from "../dom.js";
import { axisTime, dateTime, percent } from "../format.js";
import { t } from "../i18n.js";
import { axes, chart } from "./frame.js";
import { areaPath, linear, spread } from "./scale.js";

const MIN_LABELLED = 17; // px that a layer is high where its name is written into it

/**
 * Areas of a model {times, series: [{name, kind, values}], marks: [{index, text}], truth: [{kind, name}|null]}; marks and truth
 * (a strip below, one cell per place) may be missing. With `stream` the layers lie around a middle line, else places are as
 * far from each other whatever their times, and layers fill up to one.
 */
export function areaChart({ label, height, empty, stream = false }) {
  const legend = h("ul", { class: "legend names" });
  let [model, kept] = [null, null];
  const made = chart({
    label,
    height,
    empty,
    draw: (shown, size) => draw(shown, size, stream, kept),
    tip: (shown, index) => ({
      title: dateTime(shown.times[index]),
      rows: [
        ...shown.series
          .map(({ kind, name, values }) => [kind, name, values[index]])
          .filter(([, , value]) => value >= 0.001)
          .sort((a, b) => b[2] - a[2])
          .slice(0, 8)
          .map(([kind, name, value]) => [kind, name, percent(value)]),
        ...(shown.truth?.[index] ? [[shown.truth[index].kind, t("user.truth"), shown.truth[index].name]] : []),
      ],
    }),
    table: (shown) => ({
      head: [t("time"), ...shown.series.map(({ name }) => name), ...(shown.truth ? [t("user.truth")] : [])],
      rows: shown.times.map((time, index) => [
        dateTime(time),
        ...shown.series.map(({ values }) => percent(values[index])),
        ...(shown.truth ? [shown.truth[index]?.name ?? ""] : []),
      ]),
    }),
  });
  made.element.prepend(legend);

  function update(next) {
    model = next;
    if (kept !== null && !model?.series.some(({ name }) => name === kept)) kept = null;
    made.update(model);
    const names = (model?.series ?? []).map(({ kind, name }) => [kind, name, name === kept]);
    redraw(legend, names, () =>
      names.map(([kind, name, pressed]) =>
        h("li", {},
          h("button", { type: "button", class: "chip", "aria-pressed": String(pressed), "data-key": name, onclick: () => keep(name) },
            h("i", { class: `swatch ${kind}` }), name))));
  }

  function keep(name) {
    kept = kept === name ? null : name;
    update(model);
  }

  return { ...made, update };
}

function draw({ times, series, marks = [], truth = null }, { width, height }, stream, kept) {
  const below = truth ? 50 : 26;
  const box = { left: stream ? 4 : 46, right: width - (stream ? 4 : 10), top: marks.length > 0 ? 22 : 8, bottom: height - below };
  const span = times.at(-1) - times[0];
  const byTime = stream && span > 0;
  const x = byTime ? linear(times[0], times.at(-1), box.left, box.right) : linear(0, Math.max(1, times.length - 1), box.left, box.right);
  const xs = times.map((time, index) => x(byTime ? time : index));
  const sums = times.map((_, index) => series.reduce((sum, { values }) => sum + values[index], 0));
  const tallest = Math.max(stream ? 0 : 1, ...sums);
  const y = linear(0, tallest, box.bottom, box.top);
  const base = stream ? sums.map((sum) => (tallest - sum) / 2) : sums.map(() => 0);
  const layers = series.map(({ name, kind, values }) => {
    const lower = base.map((start, index) => [xs[index], y(start)]);
    values.forEach((value, index) => (base[index] += value));
    const upper = base.map((end, index) => [xs[index], y(end)]);
    return { name, kind, lower, upper };
  });
  const faded = (name) => (kept !== null && name !== kept ? " faded" : "");
  const labelled = spread(times.length, Math.max(2, Math.floor(width / 130)));
  return {
    nodes: [
      axes({ ...box, bottom: box.bottom + (truth ? 24 : 0) }, stream ? [] : [0, 0.5, 1].map((tick) => [y(tick), percent(tick)]),
        distinct(labelled.map((index) => [xs[index], axisTime(times[index], span)]))),
      layers.map(({ name, kind, upper, lower }) => s("path", { class: `layer ${kind}${faded(name)}`, d: areaPath(wide(upper, box), wide(lower, box)) })),
      layers.map((layer) => written(layer, faded(layer.name))),
      truth ? strip(truth, xs, box) : null,
      marks.map(({ index }) => [
        s("line", { class: "mark", x1: xs[index], x2: xs[index], y1: 12, y2: box.bottom }),
        s("path", { class: "mark-head", d: `M${xs[index] - 5},6h10l-5,8z` }),
      ]),
    ],
    xs,
    top: box.top,
    bottom: box.bottom,
    dots: () => [],
  };
}

/** Labels without those that repeat the one before. */
function distinct(labels) {
  return labels.filter(([, text], index) => index === 0 || text !== labels[index - 1][1]);
}

/** A single place as a band of the full width. */
function wide(points, { left, right }) {
  return points.length > 1 ? points : [[left, points[0][1]], [right, points[0][1]]];
}

/** The layer's name where it is highest, if there is room. */
function written({ name, upper, lower }, faded) {
  const heights = upper.map(([, y], index) => lower[index][1] - y);
  const inner = heights.map((high, index) => (index < 1 || index > heights.length - 2 ? 0 : Math.min(high, heights[index - 1], heights[index + 1])));
  const best = inner.indexOf(Math.max(...inner));
  const room = name.length * 4 + 6; // half of its width in px, about
  const fits = heights.every((high, index) => high >= MIN_LABELLED || Math.abs(upper[index][0] - upper[best][0]) > room);
  if (!fits || upper[best][0] - upper[0][0] < room || upper.at(-1)[0] - upper[best][0] < room) return null;
  return s("text", { class: `within${faded}`, x: upper[best][0], y: (upper[best][1] + lower[best][1]) / 2 + 4, "text-anchor": "middle" }, name);
}

/** What is true at each place, as cells below the areas. */
function strip(truth, xs, { left, right, bottom }) {
  const from = (index) => (index === 0 ? left : index === xs.length ? right : (xs[index - 1] + xs[index]) / 2);
  const starts = truth.map((_, index) => index).filter((index) => index === 0 || truth[index]?.name !== truth[index - 1]?.name);
  const cells = starts.map((start, number) => [truth[start], from(start), from(starts[number + 1] ?? xs.length)]);
  return [
    s("text", { class: "tick", x: left - 8, y: bottom + 22, "text-anchor": "end" }, t("user.truth.mark")),
    cells.filter(([shown]) => shown !== null).map(([{ kind }, x, end]) =>
      s("rect", { class: `truth ${kind}`, x, y: bottom + 12, width: Math.max(1, end - x), height: 9 })),
  ];
}
