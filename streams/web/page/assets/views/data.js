// Data quality: records that could not be used, why, and what is accepted.

import { get } from "../api.js";
import { h, redraw } from "../dom.js";
import { count, timeOfDay } from "../format.js";
import { t } from "../i18n.js";
import { card, heading, table } from "../parts.js";
import { poll } from "../polling.js";
import { showReasons } from "./overview.js";

const SAMPLES = 25;

/** The view, of one reason where the query names it: {title, element, start(signal)}. */
export function data(query) {
  const reason = query.get("reason");
  const note = h("p", { class: "note" });
  const reasons = card(t("dead.reasons"));
  const clear = h("a", { href: "#/data" }, t("dead.all"));
  const samples = card(reason === null ? t("dead.samples") : t("dead.samples.of", { reason }), { size: "wide", actions: reason === null ? [] : [clear] });
  const schemas = card(t("schemas.title"), { size: "full", explained: t("schemas.explained") });
  return {
    title: t("nav.data"),
    element: [heading(t("nav.data"), { note }), h("div", { class: "grid" }, samples.element, reasons.element, schemas.element)],
    start(signal) {
      poll(async () => {
        const found = await get("dead-letters", { limit: SAMPLES, reason }, signal);
        note.textContent = t(found.total > 0 ? "dead.note" : "dead.none", { n: count(found.total) });
        redraw(reasons.body, found.by_reason, showReasons);
        redraw(samples.body, found.samples, showSamples);
      }, 5_000, signal);
      poll(async () => redraw(schemas.body, (await get("schemas", {}, signal)).schemas, showSchemas), 300_000, signal);
    },
  };
}

function showSamples(samples) {
  if (samples.length === 0) return h("div", { class: "empty good" }, h("p", {}, t("dead.none")));
  return h("div", { class: "samples" }, samples.map((sample) => {
    const place = `${sample.topic} · ${sample.partition} · ${sample.offset}`;
    return h("details", { "data-key": place },
      h("summary", { "data-key": `of ${place}` },
        h("span", { class: "reason" }, sample.reason), h("span", { class: "what" }, sample.detail), h("time", {}, timeOfDay(sample.timestamp))),
      h("p", { class: "note" }, t("dead.place", { topic: sample.topic, partition: sample.partition, offset: count(sample.offset) })),
      h("pre", { tabindex: "0", "aria-label": t("dead.value") }, sample.value ?? ""));
  }));
}

function showSchemas(schemas) {
  return table(t("schemas.title"), [{ name: t("schemas.name") }, { name: t("schemas.what"), wide: true }],
    schemas.map(({ name, description }) => [h("code", {}, name), description]));
}
