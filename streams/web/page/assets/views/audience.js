// Audience: what all users want together, and how that changes.

import { get } from "../api.js";
import { areaChart } from "../charts/areas.js";
import { barList } from "../charts/bars.js";
import { colorClass, reserve } from "../colors.js";
import { h, redraw } from "../dom.js";
import { clock, count, percent, points } from "../format.js";
import { t } from "../i18n.js";
import { card, choice, empty, heading, title } from "../parts.js";
import { poll } from "../polling.js";

const WINDOWS = [[900, "window.quarter"], [3_600, "window.hour"], [86_400, "window.day"], [604_800, "window.week"]];
const CHANGES = 5; // of each direction
const SEEN = 0.0005; // smaller changes read as none
let window_s = 3_600;
let by = "categories";

/** The view: {title, element, start(signal)}. */
export function audience() {
  const note = h("p", { class: "note" });
  const nothing = () => empty(t("predictions.empty"), "interest-stream worker");
  const stream = areaChart({ label: t("audience.stream"), height: (width) => (width < 600 ? 240 : 320), empty: empty(t("audience.wait"), "interest-stream worker"), stream: true });
  const history = card(t("audience.stream"), { size: "full", explained: t("audience.explained") });
  history.body.append(stream.element);
  const wanted = card(t("audience.wanted"), { size: "half" });
  let again = () => {};
  const windows = choice(t("audience.window"), WINDOWS.map(([seconds, name]) => [seconds, t(name)]), window_s, (value) => {
    window_s = value;
    again();
  });
  const kinds = choice(t("audience.by"), [["categories", t("categories")], ["items", t("items")]], by, (value) => {
    by = value;
    again();
  });

  const changed = card(t("audience.changes"), { size: "half", actions: [kinds] });

  function showChanges({ rising, falling }) {
    const shown = (entries) => entries.filter(({ change }) => Math.abs(change) >= SEEN).slice(0, CHANGES);
    redraw(changed.body, [shown(rising), shown(falling)], ([up, down]) => {
      const maximum = Math.max(...[...up, ...down].map(({ change }) => Math.abs(change)));
      return [
        h("h3", {}, t("audience.rising")), up.length > 0 ? changes(up, "up", maximum) : steady(),
        h("h3", {}, t("audience.falling")), down.length > 0 ? changes(down, "down", maximum) : steady(),
      ];
    });
  }

  function showWanted(trending) {
    note.textContent = t("audience.note", { n: count(trending.users), time: clock(trending.as_of) });
    redraw(wanted.body, trending.most_wanted, (entries) => {
      if (entries.length === 0) return nothing();
      return barList(entries.map((entry) => ({
        name: title(entry), value: entry.share, text: percent(entry.share), kind: colorClass(entry.categories[0]),
        note: entry.categories.join(", "), href: `#/items/${encodeURIComponent(entry.item_id)}`,
      })), { ordered: true });
    });
  }

  function showHistory({ times, series: all }) {
    const series = all.filter(({ share }) => share.some((value) => value > 0));
    reserve(series.map(({ category }) => category).filter((name) => name !== null));
    stream.update(times.length === 0 ? null : {
      times,
      series: series.map(({ category, share }) => ({ name: category ?? t("others"), kind: colorClass(category), values: share })),
    });
  }

  return {
    title: t("nav.audience"),
    element: [
      heading(t("nav.audience"), { note, aside: [windows] }),
      h("div", { class: "grid" }, history.element,
        changed.element, wanted.element),
    ],
    start(signal) {
      let rounds = new AbortController();
      signal.addEventListener("abort", () => rounds.abort());
      again = () => {
        rounds.abort();
        rounds = new AbortController();
        const { signal: round } = rounds;
        const one = (shown) => ({ by: shown, window_s, limit: 12 });
        poll(async () => showHistory(await get("trending/history", { window_s, steps: 60 }, round)), 5_000, round);
        poll(async () => {
          const items = await get("trending", one("items"), round);
          showWanted(items);
          showChanges(by === "items" ? items : await get("trending", one("categories"), round));
        }, 5_000, round);
      };
      again();
    },
  };
}

function steady() {
  return h("div", { class: "empty" }, h("p", {}, t("audience.steady")));
}

function changes(entries, direction, maximum) {
  return barList(entries.map((entry) => ({
    name: entry.category ?? title(entry),
    value: Math.abs(entry.change),
    text: points(entry.change),
    kind: direction,
    note: t("audience.change", { before: percent(entry.share_before ?? entry.share - entry.change), now: percent(entry.share) }),
    href: entry.item_id === undefined ? undefined : `#/items/${encodeURIComponent(entry.item_id)}`,
  })), { maximum });
}
