// How often what was given a probability came true, beside the diagonal of a calibrated model.

import { count, percent } from "../format.js";
import { s } from "../dom.js";
import { t } from "../i18n.js";
import { axes, chart } from "./frame.js";
import { linear, linePath } from "./scale.js";

/** A calibration curve of points {p_mean, share, count}. */
export function calibrationChart({ label, empty }) {
  return chart({
    label,
    height: (width) => Math.min(340, Math.max(240, width * 0.8)),
    empty,
    draw,
    tip: (points, index) => ({
      title: `${t("calibration.predicted")} ${percent(points[index].p_mean)}`,
      rows: [["model", t("calibration.happened"), percent(points[index].share)], ["quiet", t("calibration.count"), count(points[index].count)]],
    }),
    table: (points) => ({
      head: [t("calibration.predicted"), t("calibration.happened"), t("calibration.count")],
      rows: points.map((point) => [percent(point.p_mean), percent(point.share), count(point.count)]),
    }),
  });
}

function draw(points, { width, height }) {
  const box = { left: 46, right: width - 14, top: 10, bottom: height - 44 };
  const x = linear(0, 1, box.left, box.right);
  const y = linear(0, 1, box.bottom, box.top);
  const largest = Math.max(...points.map((point) => point.count));
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const radius = (size) => 3 + 7 * Math.sqrt(size / largest);
  return {
    nodes: [
      axes(box, ticks.map((tick) => [y(tick), percent(tick)]), ticks.map((tick) => [x(tick), percent(tick)])),
      s("text", { class: "tick", x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, t("calibration.x")),
      s("line", { class: "diagonal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
      s("path", { class: "line model", d: linePath(points.map((point) => [x(point.p_mean), y(point.share)])) }),
      points.map((point) => s("circle", { class: "bubble model", cx: x(point.p_mean), cy: y(point.share), r: radius(point.count) })),
    ],
    xs: points.map((point) => x(point.p_mean)),
    top: box.top,
    bottom: box.bottom,
    dots: (index) => [[y(points[index].share), "dot model"]],
  };
}
