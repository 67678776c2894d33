// Segments: users by what they will want most and by how likely they leave.

import { download, get } from "../api.js";
import { areaChart } from "../charts/areas.js";
import { barList } from "../charts/bars.js";
import { colorClass, reserve } from "../colors.js";
import { h, redraw } from "../dom.js";
import { clock, count, percent } from "../format.js";
import { t } from "../i18n.js";
import { card, category, choice, empty, heading, table } from "../parts.js";
import { poll } from "../polling.js";

const WINDOWS = [[3_600, "window.hour"], [86_400, "window.day"], [604_800, "window.week"]];
const RISKS = { none: "cat-2", at_risk: "cat-8", lost: "cat-other" };
let window_s = 86_400;
let by = "category";

/** The view: {title, element, start(signal)}. */
export function segments() {
  const note = h("p", { class: "note" });
  const nothing = () => empty(t("predictions.empty"), "interest-stream worker");
  const stream = areaChart({ label: t("segments.history"), height: (width) => (width < 600 ? 240 : 320), empty: nothing() });
  let again = () => {};
  const windows = choice(t("audience.window"), WINDOWS.map(([seconds, name]) => [seconds, t(name)]), window_s, (value) => {
    window_s = value;
    again();
  });
  const kinds = choice(t("segments.by"), [["category", t("categories")], ["risk", t("segments.risk")]], by, (value) => {
    by = value;
    again();
  });
  const history = card(t("segments.history"), { size: "full", actions: [kinds], explained: t("segments.explained") });
  history.body.append(stream.element);
  const risks = card(t("segments.risk"), { size: "half" });
  const listed = card(t("segments.all"), { size: "full" });

  function showHistory({ times, series, users }) {
    if (by === "category") reserve(series.map(({ name }) => name).filter((name) => name !== null));
    stream.update(times.length === 0 ? null : {
      times,
      series: series.map(({ name, users: sizes }) => ({
        name: by === "risk" ? riskName(name) : (name ?? t("segments.unknown")),
        kind: by === "risk" ? RISKS[name] : colorClass(name),
        values: sizes.map((size, index) => size / Math.max(users[index], 1)),
      })),
    });
  }

  function show({ as_of, users, segments: found }) {
    note.textContent = t("segments.note", { n: count(users), time: clock(as_of) });
    redraw(risks.body, found, () => {
      const sizes = new Map(Object.keys(RISKS).map((risk) => [risk, 0]));
      for (const { risk, users: size } of found) sizes.set(risk, sizes.get(risk) + size);
      return barList([...sizes].map(([risk, size]) => ({
        name: riskName(risk), value: size / Math.max(users, 1), text: count(size), kind: RISKS[risk],
      })), { maximum: 1 });
    });
    redraw(listed.body, found, () => (found.length === 0 ? nothing() : showSegments(found)));
  }

  return {
    title: t("nav.segments"),
    element: [
      heading(t("nav.segments"), { note, aside: [windows] }),
      h("div", { class: "grid" }, history.element, risks.element, listed.element),
    ],
    start(signal) {
      let rounds = new AbortController();
      signal.addEventListener("abort", () => rounds.abort());
      again = () => {
        rounds.abort();
        rounds = new AbortController();
        const { signal: round } = rounds;
        poll(async () => showHistory(await get("segments/history", { by, window_s, steps: 60 }, round)), 10_000, round);
        poll(async () => show(await get("segments", {}, round)), 5_000, round);
      };
      again();
    },
  };
}

function riskName(risk) {
  return { none: t("risk.none"), at_risk: t("risk.at_risk"), lost: t("risk.lost") }[risk];
}

function showSegments(found) {
  const columns = [{ name: t("segments.category"), wide: true }, { name: t("segments.risk") }, { name: t("users.all"), number: true }, { name: t("segments.share"), number: true }, { name: t("segments.export") }];
  return table(t("segments.all"), columns, found.map(({ category: name, risk, users, share }) => [
    name === null ? t("segments.unknown") : category(name), riskName(risk), count(users), percent(share),
    h("button", { type: "button", "data-key": `${name} ${risk}`, onclick: () => save(name, risk) }, "CSV"),
  ]));
}

function save(name, risk) {
  const file = `${risk}-${name ?? "none"}.csv`.replaceAll(/[^\w.-]+/g, "_");
  download("segments/users.csv", { risk, category: name ?? " " }, file).catch((error) => console.warn(error.message));
}
