// A user's predictions over time as a chart shows them.

import { colorClass } from "./colors.js";
import { t } from "./i18n.js";

const SHOWN = 8; // categories; the others are one
const MOVED = 0.3; // total variation distance from which a prediction counts as a move of interest
const MOMENTS = 4;
const APART = 3; // places between two moves: interest often takes some events to move

/** The chart's model of points, oldest first; categories by their share in all, the others last. */
export function interestModel(points, truth) {
  const sums = new Map();
  for (const { categories } of points) for (const { category, p } of categories) sums.set(category, (sums.get(category) ?? 0) + p);
  const names = [...sums].sort(([, a], [, b]) => b - a).slice(0, SHOWN).map(([name]) => name);
  const share = ({ categories }, name) => categories.find(({ category }) => category === name)?.p ?? 0;
  const rest = (point) => Math.max(0, 1 - names.reduce((sum, name) => sum + share(point, name), 0));
  return {
    times: points.map(({ event_time }) => event_time),
    series: [
      ...names.map((name) => ({ name, kind: colorClass(name), values: points.map((point) => share(point, name)) })),
      { name: t("others"), kind: "cat-other", values: points.map(rest) },
    ],
    marks: moments(points),
    truth: truth === null ? null : points.map(({ event_time }) => {
      const name = truth.at(event_time);
      return name === null ? null : { name, kind: colorClass(name) };
    }),
  };
}

/** The largest moves of interest in the order of time: [{index, time, changes: [{category, before, after}]}]. */
export function moments(points) {
  const kept = [];
  const candidates = points.map(({ moved }, index) => ({ index, moved })).filter(({ index, moved }) => index > 0 && moved >= MOVED);
  for (const { index } of candidates.sort((a, b) => b.moved - a.moved)) {
    if (kept.length < MOMENTS && kept.every((other) => Math.abs(other - index) >= APART)) kept.push(index);
  }
  return kept.sort((a, b) => a - b).map((index) => ({ index, time: points[index].event_time, changes: changes(points[index - 1], points[index]) }));
}

/** The category that lost most, and the one that gained most. */
function changes(earlier, later) {
  const all = new Map(earlier.categories.map(({ category, p }) => [category, { category, before: p, after: 0 }]));
  for (const { category, p } of later.categories) all.set(category, { category, before: all.get(category)?.before ?? 0, after: p });
  const sorted = [...all.values()].sort((a, b) => a.after - a.before - (b.after - b.before));
  return sorted.length > 1 ? [sorted[0], sorted.at(-1)] : sorted;
}
