// From data to pixels.

/** Linear map of a domain to a range. */
export function linear(from, to, start, end) {
  const factor = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * factor;
}

/** A round number not below the maximum, and the round steps up to it. */
export function rounded(maximum, steps = 4) {
  const raw = (maximum || 1) / steps;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((size) => size >= raw * 0.999);
  const top = Math.max(1, Math.ceil(maximum / step - 1e-9)) * step;
  return { top, ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step) };
}

/** The same from a round number not above the minimum. */
export function roundedBetween(minimum, maximum, steps = 4) {
  const { ticks } = rounded(maximum - minimum || Math.abs(maximum) || 1, steps);
  const step = ticks[1];
  const bottom = Math.floor(minimum / step) * step;
  const count = Math.max(1, Math.ceil((maximum - bottom) / step - 1e-9));
  return { bottom, top: bottom + count * step, ticks: Array.from({ length: count + 1 }, (_, index) => bottom + index * step) };
}

/** Indices of at most `most` evenly spread labels among so many places. */
export function spread(places, most) {
  if (places <= most) return Array.from({ length: places }, (_, index) => index);
  return Array.from({ length: most }, (_, index) => Math.round((index * (places - 1)) / (most - 1)));
}

/** The place whose coordinate is nearest. */
export function nearest(coordinates, wanted) {
  let best = 0;
  coordinates.forEach((coordinate, index) => {
    if (Math.abs(coordinate - wanted) < Math.abs(coordinates[best] - wanted)) best = index;
  });
  return best;
}

/** A path through points [x, y], gaps where y is null. */
export function linePath(points) {
  let [path, open] = ["", false];
  for (const [x, y] of points) {
    if (y === null || Number.isNaN(y)) open = false;
    else {
      path += `${open ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`;
      open = true;
    }
  }
  return path;
}

/** A closed area between two edges of points, its bends soft and never beyond them. */
export function areaPath(upper, lower) {
  const bend = ([x0, y0], [x1, y1]) => {
    const middle = ((x0 + x1) / 2).toFixed(1);
    return `C${middle},${y0.toFixed(1)} ${middle},${y1.toFixed(1)} ${x1.toFixed(1)},${y1.toFixed(1)}`;
  };
  const edge = (points) => points.slice(1).map((point, index) => bend(points[index], point)).join("");
  const back = [...lower].reverse();
  const at = ([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`;
  return `M${at(upper[0])}${edge(upper)}L${at(back[0])}${edge(back)}Z`;
}
