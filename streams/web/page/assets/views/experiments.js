// Experiments: the arms of one beside each other over time, what is certain, and which others there are.

import { get } from "../api.js";
import { lineChart } from "../charts/lines.js";
import { h, redraw } from "../dom.js";
import { ago, count, decimal } from "../format.js";
import { t } from "../i18n.js";
import { card, empty, heading, table, tile } from "../parts.js";
import { poll } from "../polling.js";

const COLOURS = 12; // of style.css

/** The view of an experiment, by default the newest: {title, element, start(signal)}. */
export function experiments(name = null) {
  const note = h("p", { class: "note" }, t("experiments.note"));
  const tiles = {
    winner: tile(t("experiments.winner")), users: tile(t("users")), decisions: tile(t("experiments.decisions")), ratio: tile(t("experiments.ratio")),
  };
  for (const shown of Object.values(tiles)) shown.update({ value: "–" });
  const nothing = () => empty(t("experiments.empty"), "interest-stream experiments create --help");
  const why_empty = h("div", {}, nothing());
  const chart = lineChart({ label: t("experiments.chart"), height: (width) => (width < 600 ? 240 : 300), empty: why_empty, format: (value) => decimal(value) });
  const over_time = card(t("experiments.chart"), { size: "full", explained: t("experiments.explained") });
  over_time.body.append(chart.element);
  const arms = card(t("experiments.arms"), { size: "full" });
  const all = card(t("experiments.all"), { size: "full" });

  function show(result) {
    redraw(note, [result.name, result.state, ago(result.created_at), result.stopped_because], () => [
      h("b", {}, result.name), ` · ${state(result)} · ${t("experiments.since", { ago: ago(result.created_at), metric: metric(result.metric) })}`,
    ]);
    const sum = (field) => result.arms.reduce((total, arm) => total + arm[field], 0);
    tiles.winner.update({
      value: result.winner ?? t("experiments.undecided"),
      detail: result.winner === null
        ? t("experiments.undecided.note")
        : t("experiments.certain", { p: decimal(1 - result.alpha, 2), ago: ago(result.decided_at) }),
      kind: "code",
    });
    tiles.users.update({ value: count(sum("users")), detail: t("experiments.users.note", { n: count(result.expected_users) }) });
    tiles.decisions.update({ value: count(sum("decisions")), detail: t("experiments.cuped", { n: decimal(result.variance_ratio, 2) }) });
    tiles.ratio.update(result.sample_ratio.is_right
      ? { value: t("experiments.ratio.right"), detail: t("experiments.ratio.p", { p: decimal(result.sample_ratio.p_value, 2) }), kind: "code" }
      : { value: t("experiments.ratio.wrong"), detail: t("experiments.ratio.wrong.note"), kind: "code warning" });
    redraw(why_empty, result.name, () => empty(t("experiments.wait"), `{"experiment": "${result.name}"}`));
    chart.update(result.history.length === 0 ? null : {
      times: result.history.map(({ time }) => time),
      series: result.arms.map((arm, index) => ({
        name: arm.name,
        kind: colour(result, index),
        values: result.history.map(({ arms: points }) => points[index].mean),
        low: result.history.map(({ arms: points }) => points[index].low),
        high: result.history.map(({ arms: points }) => points[index].high),
      })),
    });
    redraw(arms.body, [result.arms, result.winner], () => [showArms(result), showGuardrails(result)]);
  }

  function showAll(found) {
    redraw(all.body, found.map((each) => ({ ...each, age: ago(each.created_at) })), (rows) => (rows.length === 0 ? nothing() : table(t("experiments.all"),
      [{ name: t("experiments.name"), wide: true }, { name: t("experiments.state") }, { name: t("experiments.arms"), wide: true }, { name: t("experiments.winner") },
        { name: t("experiments.begun") }],
      rows.map((each) => [
        h("a", { href: `#/experiments/${encodeURIComponent(each.name)}`, "data-key": each.name }, each.name),
        state(each), each.arms.map((arm) => arm.name).join(", "), each.winner ?? "–", each.age,
      ]))));
  }

  return {
    title: name ?? t("nav.experiments"),
    element: [
      heading(t("nav.experiments"), { note }),
      h("dl", { class: "tiles few" }, Object.values(tiles).map(({ element }) => element)),
      h("div", { class: "grid" }, over_time.element, arms.element, all.element),
    ],
    start(signal) {
      poll(async () => {
        const { experiments: found } = await get("experiments", {}, signal);
        showAll(found);
        const shown = name ?? found[0]?.name;
        if (shown === undefined) {
          redraw(why_empty, "none", nothing);
          chart.update(null);
          redraw(arms.body, "none", nothing);
          return;
        }
        if (found.some((each) => each.name === shown)) {
          show(await get(`experiments/${encodeURIComponent(shown)}`, {}, signal));
          return;
        }
        redraw(why_empty, shown, () => empty(t("experiments.unknown", { name: shown })));
        chart.update(null);
      }, 2_000, signal);
    },
  };
}

function showArms(result) {
  const columns = [
    { name: t("experiments.arm") }, { name: t("experiments.policy") }, { name: t("users"), number: true }, { name: t("experiments.decisions"), number: true },
    { name: metric(result.metric), number: true }, { name: t("experiments.difference"), number: true }, { name: t("experiments.p"), number: true }, { name: "", wide: true },
  ];
  return table(t("experiments.arms"), columns, result.arms.map((arm, index) => [
    h("span", { class: "tag" }, h("i", { class: `swatch ${colour(result, index)}` }), arm.name),
    described(arm), count(arm.users), count(arm.decisions), interval(arm.mean, arm.low, arm.high),
    difference(arm, result), arm.difference === null || arm.p_value === null ? "–" : decimal(arm.p_value), remark(arm, result),
  ]));
}

function showGuardrails(result) {
  const rows = result.arms.flatMap((arm) => arm.guardrails.map((guardrail) => [arm, guardrail]));
  if (rows.length === 0) return null;
  const columns = [
    { name: t("experiments.arm") }, { name: t("experiments.metric") }, { name: t("experiments.allowed"), number: true },
    { name: t("experiments.difference"), number: true }, { name: t("experiments.state") },
  ];
  return [h("h3", {}, t("experiments.guardrails")), table(t("experiments.guardrails"), columns, rows.map(([arm, guardrail]) => [
    arm.name, metric(guardrail.metric), `${guardrail.harm === "decrease" ? "−" : "+"}${decimal(guardrail.allowed)}`,
    guardrail.low === null ? "–" : range(guardrail.low, guardrail.high), guardrail.is_crossed ? t("experiments.crossed") : t("experiments.holds"),
  ]))];
}

function colour(result, index) {
  return result.arms[index].name === result.control ? "popularity" : `cat-${index % COLOURS}`;
}

function described({ policy, recipe, parameters }) {
  const parts = [policy, recipe, ...Object.entries(parameters).map(([key, value]) => `${key}=${value}`)].filter((part) => part !== "");
  return parts.join(", ") || t("experiments.usual");
}

function metric(name) {
  if (name === "reward") return t("experiments.reward");
  return name === "no_feedback" ? t("experiments.no_feedback") : name.replace(/^feedback\./, "");
}

function state({ state: name }) {
  return name === "running" ? t("experiments.running") : t("experiments.stopped");
}

function difference(arm, result) {
  if (arm.name === result.control) return t("experiments.control");
  return arm.difference === null ? "–" : interval(arm.difference, arm.difference_low, arm.difference_high);
}

function remark(arm, result) {
  if (arm.stopped_because) return `${t("experiments.stopped")}: ${arm.stopped_because}`;
  return arm.name === result.winner ? h("span", { class: "marker" }, t("experiments.winner")) : "";
}

function range(low, high) {
  return `[${decimal(low)}, ${decimal(high)}]`;
}

function interval(mean, low, high) {
  return low === null ? decimal(mean) : `${decimal(mean)} ${range(low, high)}`;
}
