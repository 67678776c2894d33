// Several values over time as lines.

import { h, redraw, s } from "../dom.js";
import { axisTime, dateTime } from "../format.js";
import { t } from "../i18n.js";
import { axes, chart } from "./frame.js";
import { linear, linePath, rounded, roundedBetween, spread } from "./scale.js";

/**
 * A line chart, from zero to at least `most` unless `zero` is false. Its model: {times, series: [{name, kind, values}]} with epoch ms, a class, and numbers or null; `low` and `high`
 * of a series, likewise, are shown as a band. `format` writes a value, `titles` (of the model) name places that are no times.
 */
export function lineChart({ label, height, empty, format, most = 0, zero = true }) {
  const legend = h("ul", { class: "legend" });
  const place = (model, index) => model.titles?.[index] ?? dateTime(model.times[index]);
  const written = ({ values, low, high }, index) => (known(low?.[index]) ? `${format(values[index])} [${format(low[index])}, ${format(high[index])}]` : format(values[index]));
  const made = chart({
    label,
    height,
    empty,
    draw: (model, size) => draw(model, size, { format, most, zero }),
    tip: (model, index) => ({
      title: place(model, index),
      rows: model.series.map((series) => [series.kind, series.name, written(series, index)]),
    }),
    table: (model) => ({
      head: [model.titles ? t("version") : t("time"), ...model.series.map(({ name }) => name)],
      rows: (model.times ?? model.titles).map((_, index) => [place(model, index), ...model.series.map((series) => written(series, index))]),
    }),
  });
  made.element.prepend(legend);
  return {
    ...made,
    update(model) {
      made.update(model);
      const newest = (values) => format(values.findLast((value) => value !== null));
      redraw(legend, (model?.series ?? []).map(({ kind, name, values }) => [kind, name, newest(values)]), (names) =>
        names.map(([kind, name, value]) => h("li", {}, h("i", { class: `swatch ${kind}` }), h("span", {}, name), h("b", {}, value))));
    },
  };
}

const known = (value) => value !== null && value !== undefined;

/** Without the first third, where bands are as wide as can be. */
function settled(values = []) {
  return values.slice(Math.floor(values.length / 3));
}

function draw(model, { width, height }, { format, most, zero }) {
  const box = { left: 46, right: width - 10, top: 10, bottom: height - 26 };
  const all = model.series.flatMap(({ values, low, high }) => [...values, ...settled(low), ...settled(high)]).filter(known);
  const { bottom = 0, top, ticks } = zero ? rounded(Math.max(most, ...all)) : roundedBetween(Math.min(...all), Math.max(...all));
  const y = linear(bottom, top, box.bottom, box.top);
  const places = model.times ?? model.titles;
  const span = model.times ? model.times.at(-1) - model.times[0] : 0;
  const x = model.times && span > 0
    ? linear(model.times[0], model.times.at(-1), box.left, box.right)
    : (_, index) => (places.length === 1 ? (box.left + box.right) / 2 : linear(0, places.length - 1, box.left, box.right)(index));
  const xs = places.map((time, index) => x(time, index));
  const labelled = spread(places.length, Math.max(2, Math.floor(width / 130)));
  const texts = model.times && span > 0
    ? labelled.map((_, index) => model.times[0] + (span * index) / (labelled.length - 1)).map((time) => [x(time), axisTime(time, span)])
    : labelled.map((index) => [xs[index], model.titles ? model.titles[index] : axisTime(model.times[index], 0)]);
  const clamped = (value) => y(Math.max(bottom, Math.min(top, value)));
  const bands = model.series.map(({ kind, low, high }) => {
    const places = (low ?? []).flatMap((value, index) => (known(value) ? [index] : []));
    if (places.length === 0) return null;
    const edge = (values, indices) => indices.map((index) => `${xs[index].toFixed(1)},${clamped(values[index]).toFixed(1)}`).join("L");
    return s("path", { class: `band ${kind}`, d: `M${edge(high, places)}L${edge(low, [...places].reverse())}Z` });
  });
  const lines = model.series.map(({ kind, values }) => {
    const points = values.map((value, index) => [xs[index], value === null ? null : y(value)]);
    const single = points.filter(([, value]) => value !== null).length === 1;
    return [
      s("path", { class: `line ${kind}`, d: linePath(points) }),
      single ? points.filter(([, value]) => value !== null).map(([cx, cy]) => s("circle", { class: `dot ${kind}`, cx, cy, r: 3 })) : null,
    ];
  });
  return {
    nodes: [axes(box, ticks.map((tick) => [y(tick), format(tick)]), texts), bands, lines],
    xs,
    top: box.top,
    bottom: box.bottom,
    dots: (index) => model.series.filter(({ values }) => values[index] !== null).map(({ kind, values }) => [y(values[index]), `dot ${kind}`]),
  };
}
