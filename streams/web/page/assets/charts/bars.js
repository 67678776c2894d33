// Lists whose rows carry bars: names and numbers are text, the bar repeats them.

import { h } from "../dom.js";

/**
 * Rows of {name, value, text, kind, note, href, chips}; `value` relative to `maximum`. Ordered lists are numbered.
 */
export function barList(rows, { maximum = Math.max(...rows.map(({ value }) => value), 1e-9), ordered = false } = {}) {
  return h(ordered ? "ol" : "ul", { class: "bars" }, rows.map((row) => barRow(row, maximum)));
}

function barRow({ name, value, text, kind = "model", note, href, marker }, maximum) {
  const share = Math.max(0, Math.min(1, value / maximum));
  return h("li", {},
    h("span", { class: "name" },
      href ? h("a", { href, "data-key": href }, name) : name,
      marker ? h("span", { class: "marker" }, marker) : null,
      note ? h("span", { class: "note" }, note) : null),
    h("span", { class: "value" }, text),
    h("span", { class: `bar ${kind}`, vars: { "--share": share.toFixed(4) } }));
}

/** One bar divided among parts {name, value, text, kind}, with its legend. */
export function dividedBar(parts) {
  return [
    h("div", { class: "divided", "aria-hidden": "true" },
      parts.map(({ value, kind }) => h("span", { class: kind, vars: { "--share": value.toFixed(4) } }))),
    h("ul", { class: "legend column" },
      parts.map(({ name, text, kind, note }) =>
        h("li", {}, h("i", { class: `swatch ${kind}` }), h("span", {}, name, note ? h("span", { class: "note" }, note) : null), h("b", {}, text)))),
  ];
}
