// Quality over time and by version, as charts show it.

import { t } from "./i18n.js";

const known = (value) => (value === undefined || value === null ? null : value);

/** Recall beside that of decayed popularity over time; null without any. */
export function recallSeries(history) {
  if (history.length === 0) return null;
  return {
    times: history.map(({ at }) => at),
    series: [
      { name: t("series.model"), kind: "model", values: history.map((point) => known(point.recall_at_10)) },
      { name: t("series.popularity"), kind: "popularity", values: history.map((point) => known(point.popularity_recall_at_10)) },
    ],
  };
}

/** Means of the history by version of the model, in the order of time: [{model_version, recall, popularity, logLoss}]. */
export function byVersion(history) {
  const versions = new Map();
  for (const point of history) {
    if (!versions.has(point.model_version)) versions.set(point.model_version, []);
    versions.get(point.model_version).push(point);
  }
  const mean = (points, name) => {
    const values = points.map((point) => known(point[name])).filter((value) => value !== null);
    return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  };
  return [...versions].map(([model_version, points]) => ({
    model_version,
    recall: mean(points, "recall_at_10"),
    popularity: mean(points, "popularity_recall_at_10"),
    logLoss: mean(points, "log_loss"),
  }));
}
