// What views are made of: cards, tiles, tables, choices.

import { sparkline } from "./charts/sparkline.js";
import { colorClass } from "./colors.js";
import { h, redraw } from "./dom.js";

let cards = 0;

/** A titled part of a view: {element, body, note}; `actions` lie beside its title. */
export function card(title, { size = "", actions = [], explained = null } = {}) {
  const id = `card-${(cards += 1)}`;
  const note = h("span", { class: "note" });
  const body = h("div", { class: "body" });
  const header = h("header", {}, h("h2", { id }, title), note, h("div", { class: "actions" }, actions));
  const element = h("section", { class: `card ${size}`, "aria-labelledby": id }, header, explained ? h("p", { class: "explained" }, explained) : null, body);
  return { element, body, note };
}

/** A number by its name: {element, update({value, unit, detail, spark, kind, href})}. */
export function tile(name) {
  const value = h("dd", {});
  const element = h("div", { class: "tile" }, h("dt", {}, name), value);
  return {
    element,
    update(shown) {
      redraw(value, shown, ({ value: number, unit, detail, spark, kind, href }) => [
        h("span", { class: `figure ${kind ?? ""}` }, number, unit ? h("small", {}, ` ${unit}`) : null),
        h("span", { class: "detail" }, href ? h("a", { href, "data-key": href }, detail) : (detail ?? "\u00a0")),
        spark ? sparkline(spark) : null,
      ]);
    },
  };
}

/** What there is to say where there is nothing yet, and the command that changes it. */
export function empty(text, command = null) {
  return h("div", { class: "empty" }, h("p", {}, text), command ? h("code", {}, command) : null);
}

/**
 * A table of rows of cells (texts or elements); a column is {name, number, wide}. Its first column names the rows.
 */
export function table(caption, columns, rows) {
  const kind = (index) => (columns[index].number ? "number" : columns[index].wide ? "wide" : null);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map(({ name }, index) => h("th", { scope: "col", class: kind(index) }, name)))),
      h("tbody", {},
        rows.map((cells) =>
          h("tr", {}, cells.map((cell, index) => h(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : null, class: kind(index) }, cell)))))));
}

/** One of several choices: {element, value}; `changed` is called with the value of the one taken. */
export function choice(label, options, value, changed) {
  const buttons = options.map(([key, text]) =>
    h("button", { type: "button", "aria-pressed": String(key === value), onclick: () => take(key) }, text));
  function take(key) {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(options[index][0] === key)));
    changed(key);
  }
  return h("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

/** A category with its colour. */
export function category(name) {
  return h("span", { class: "tag" }, h("i", { class: `swatch ${colorClass(name)}` }), name);
}

/** An item's title, its id where it has none. */
export function title(item) {
  return item.title ?? item.item_id;
}

/** The view's heading and what is below it. */
export function heading(text, { note = null, aside = [] } = {}) {
  return h("div", { class: "heading" }, h("div", {}, h("h1", { tabindex: "-1" }, text), note), h("div", { class: "aside" }, aside));
}
