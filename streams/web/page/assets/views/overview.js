// Overview: is the stream running, how fast, how well.

import { get } from "../api.js";
import { barList } from "../charts/bars.js";
import { lineChart } from "../charts/lines.js";
import { h, redraw } from "../dom.js";
import { ago, clock, compact, count, decimal, millis, percent, ranges } from "../format.js";
import { t } from "../i18n.js";
import { card, empty, heading, table, tile } from "../parts.js";
import { poll } from "../polling.js";
import { recallSeries } from "../quality.js";

const KEPT = 60; // samples of a tile's line
const samples = { rate: [], lag: [], latency: [] };

function sampled(name, value) {
  samples[name].push(value ?? null);
  if (samples[name].length > KEPT) samples[name].shift();
  return [...samples[name]];
}

/** The view: {title, element, start(signal)}. */
export function overview() {
  const note = h("p", { class: "note" });
  const tiles = {
    rate: tile(t("overview.rate")),
    lag: tile(t("overview.lag")),
    latency: tile(t("overview.latency")),
    recall: tile(t("recall")),
    users: tile(t("users")),
    dead: tile(t("dead.title")),
  };
  const recall = lineChart({ label: t("quality.chart"), height: 240, empty: empty(t("quality.empty"), "interest-stream worker"), format: percent, most: 0.1 });
  const quality = card(t("quality.chart"), { size: "wide", explained: t("quality.explained") });
  quality.body.append(recall.element);
  const dead = card(t("dead.reasons"), { actions: [h("a", { href: "#/data" }, t("dead.samples"))] });
  const workers = card(t("overview.workers"), { size: "wide roomy" });
  const partitions = card(t("overview.partitions"), { size: "roomy" });

  function show(state) {
    if (!state.ready) note.textContent = t("overview.waits", { what: state.waits_for });
    else if (state.model_version === null) note.textContent = t("overview.none", { time: clock(state.as_of) });
    else note.textContent = t("overview.note", { time: clock(state.as_of), model: state.model_version });
    const { p50, p99 } = state.latency_ms ?? {};
    tiles.rate.update({ value: compact(state.events_per_s), unit: t("per.second"), detail: t("overview.predicted", { n: compact(state.predictions_per_s) }), spark: sampled("rate", state.events_per_s) });
    tiles.lag.update({ value: compact(state.lag?.events), unit: t("events.unit"), detail: t("overview.lag.note"), spark: sampled("lag", state.lag?.events) });
    tiles.latency.update({ value: millis(p50), detail: t("overview.p99", { p99: millis(p99) }), spark: sampled("latency", p50) });
    tiles.users.update({ value: compact(state.users), detail: t("overview.items", { n: compact(state.items) }) });
    tiles.dead.update({ value: compact(state.dead_letters), detail: state.dead_letters > 0 ? t("dead.look") : t("dead.none.short"), href: state.dead_letters > 0 ? "#/data" : null, kind: state.dead_letters > 0 ? "warning" : "" });
    redraw(workers.body, state.workers.map((worker) => ({ ...worker, age: ago(worker.emitted_at) })), showWorkers);
    redraw(partitions.body, state.partitions.map((partition) => ({ ...partition, age: ago(partition.last_event_time) })), showPartitions);
  }

  function showQuality({ history }) {
    const series = recallSeries(history);
    recall.update(series);
    const [mean, popularity] = series ? series.series.map(({ values }) => values.findLast((value) => value !== null)) : [];
    tiles.recall.update({
      value: percent(mean),
      detail: popularity === undefined ? t("quality.none") : t("quality.beside", { popularity: percent(popularity) }),
      spark: series?.series[0].values.slice(-KEPT),
    });
  }

  for (const [name, shown] of Object.entries(tiles)) shown.update({ value: "–", spark: ["users", "dead"].includes(name) ? null : [] });
  return {
    title: t("nav.overview"),
    element: [
      heading(t("nav.overview"), { note }),
      h("dl", { class: "tiles" }, Object.values(tiles).map(({ element }) => element)),
      h("div", { class: "grid" }, quality.element, dead.element, workers.element, partitions.element),
    ],
    start(signal) {
      poll(async () => show(await get("overview", {}, signal)), 2_000, signal);
      poll(async () => showQuality(await get("quality", { window_s: 3600 }, signal)), 4_000, signal);
      poll(async () => redraw(dead.body, (await get("dead-letters", { limit: 1 }, signal)).by_reason, showReasons), 10_000, signal);
    },
  };
}

/** Dead letters by reason as bars; each a link to its samples. */
export function showReasons(reasons) {
  const rows = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  if (rows.length === 0) return h("div", { class: "empty good" }, h("p", {}, t("dead.none")));
  return barList(rows.map(([reason, number]) => ({
    name: reason, value: number, text: count(number), kind: "warning", href: `#/data?reason=${encodeURIComponent(reason)}`,
  })));
}

function showWorkers(workers) {
  if (workers.length === 0) return empty(t("workers.empty"), "interest-stream worker");
  const columns = [
    { name: t("worker"), wide: true }, { name: t("overview.partitions") }, { name: t("version") }, { name: t("events"), number: true }, { name: t("recall"), number: true },
    { name: t("logloss"), number: true }, { name: t("overview.reported") },
  ];
  return table(t("overview.workers"), columns, workers.map((worker) => [
    worker.worker, ranges(worker.partitions), h("code", {}, worker.model_version), count(worker.events), percent(worker.recall_at_10), decimal(worker.log_loss), worker.age,
  ]));
}

function showPartitions(partitions) {
  if (partitions.length === 0) return empty(t("partitions.empty"), "interest-stream topics");
  const columns = [
    { name: t("partition") }, { name: t("overview.events.end"), number: true }, { name: t("overview.predictions.end"), number: true },
    { name: t("overview.last.event") },
  ];
  return table(t("overview.partitions"), columns, partitions.map((partition) => [
    String(partition.partition), count(partition.events_end), count(partition.predictions_end), partition.age,
  ]));
}
