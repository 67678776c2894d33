// Model: which is in use, how good each version was, and whether its probabilities hold.

import { get } from "../api.js";
import { calibrationChart } from "../charts/calibration.js";
import { lineChart } from "../charts/lines.js";
import { h, redraw } from "../dom.js";
import { ago, count, decimal, percent, timeOfDay } from "../format.js";
import { t } from "../i18n.js";
import { card, empty, heading, table, tile } from "../parts.js";
import { poll } from "../polling.js";
import { byVersion } from "../quality.js";

/** The view: {title, element, start(signal)}. */
export function model() {
  const tiles = { version: tile(t("version")), recall: tile(t("recall")), mrr: tile(t("mrr")), loss: tile(t("logloss")) };
  for (const shown of Object.values(tiles)) shown.update({ value: "–" });
  const nothing = () => empty(t("quality.empty"), "interest-stream worker");
  const recall = lineChart({ label: t("model.recall"), height: 230, empty: nothing(), format: percent, most: 0.1 });
  const loss = lineChart({ label: t("model.loss"), height: 230, empty: nothing(), format: (value) => decimal(value, 2), zero: false });
  const calibration = calibrationChart({ label: t("calibration.title"), empty: empty(t("calibration.empty")) });
  const recalls = card(t("model.recall"), { size: "half" });
  const losses = card(t("model.loss"), { size: "half" });
  const calibrated = card(t("calibration.title"), { size: "half", explained: t("calibration.explained") });
  const releases = card(t("model.releases"), { size: "half" });
  recalls.body.append(recall.element);
  losses.body.append(loss.element);
  calibrated.body.append(calibration.element);

  function showQuality({ history, calibration: points }) {
    const newest = history.at(-1);
    const beside = newest === undefined ? t("quality.none") : t("quality.beside", { popularity: percent(newest.popularity_recall_at_10) });
    tiles.recall.update({ value: percent(newest?.recall_at_10), detail: beside });
    tiles.mrr.update({ value: decimal(newest?.mrr), detail: t("mrr.note") });
    tiles.loss.update({ value: decimal(newest?.log_loss, 2), detail: t("logloss.note") });
    const versions = byVersion(history);
    const titles = versions.map(({ model_version }) => model_version);
    recall.update(versions.length === 0 ? null : { titles, series: [
      { name: t("series.model"), kind: "model", values: versions.map((version) => version.recall) },
      { name: t("series.popularity"), kind: "popularity", values: versions.map((version) => version.popularity) },
    ] });
    loss.update(versions.length === 0 ? null : { titles, series: [{ name: t("logloss"), kind: "model", values: versions.map((version) => version.logLoss) }] });
    const scored = points.filter((point) => point.count > 0);
    calibration.update(scored.length === 0 ? null : scored);
  }

  function showReleases(models) {
    const newest = models.releases[0];
    tiles.version.update({ value: models.current ?? "–", detail: newest ? t("model.released", { ago: ago(newest.released_at) }) : t("model.none"), kind: "code" });
    redraw(releases.body, models.releases, (found) => {
      if (found.length === 0) return empty(t("releases.empty"), "interest-stream worker");
      const all = [
        [{ name: t("version") }, (release) => h("code", {}, release.model_version), "model_version"],
        [{ name: t("model.time") }, (release) => timeOfDay(release.released_at), "released_at"],
        [{ name: t("items"), number: true }, (release) => count(release.items), "items"],
        [{ name: t("events"), number: true }, (release) => count(release.events), "events"],
        [{ name: t("recall"), number: true }, (release) => percent(release.recall_at_10), "recall_at_10"],
        [{ name: t("logloss"), number: true }, (release) => decimal(release.log_loss, 2), "log_loss"],
      ];
      const columns = all.filter(([, , field]) => found.some((release) => release[field] !== null)); // those that are known
      return table(t("model.releases"), columns.map(([column]) => column), found.slice(0, 10).map((release) => columns.map(([, cell]) => cell(release))));
    });
  }

  return {
    title: t("nav.model"),
    element: [
      heading(t("nav.model"), { note: h("p", { class: "note" }, t("model.note")) }),
      h("dl", { class: "tiles few" }, Object.values(tiles).map(({ element }) => element)),
      h("div", { class: "grid" }, recalls.element, losses.element, calibrated.element, releases.element),
    ],
    start(signal) {
      poll(async () => showQuality(await get("quality", { window_s: 3_600 }, signal)), 5_000, signal);
      poll(async () => showReleases(await get("models", {}, signal)), 5_000, signal);
    },
  };
}
