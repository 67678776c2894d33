// A small line without axes beside a number that says the same.

import { s } from "../dom.js";
import { areaPath, linear, linePath } from "./scale.js";

const [WIDTH, HEIGHT] = [120, 28];

/** The last values of a number as a line from 0 to their maximum; nothing for less than two. */
export function sparkline(values) {
  const kept = values.filter((value) => value !== null && value !== undefined);
  const picture = s("svg", { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  if (kept.length < 2) return picture;
  const x = linear(0, kept.length - 1, 0, WIDTH);
  const y = linear(0, Math.max(...kept, 1e-9), HEIGHT - 2, 3);
  const points = kept.map((value, index) => [x(index), y(value)]);
  picture.append(
    s("path", { class: "under", d: areaPath(points, points.map(([place]) => [place, HEIGHT])) }),
    s("path", { class: "line", d: linePath(points), "vector-effect": "non-scaling-stroke" }),
  );
  return picture;
}
