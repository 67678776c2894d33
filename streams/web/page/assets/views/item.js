// One item: how much it is wanted, over time.

import { ApiError, get } from "../api.js";
import { lineChart } from "../charts/lines.js";
import { h, redraw } from "../dom.js";
import { count, percent } from "../format.js";
import { t } from "../i18n.js";
import { card, category, empty, heading, tile, title } from "../parts.js";
import { poll } from "../polling.js";

/** The view of an item: {title, element, start(signal)}. */
export function item(id) {
  const name = h("span", {}, id);
  const tags = h("p", { class: "note tags" });
  const [share, users] = [tile(t("item.share")), tile(t("item.users"))];
  share.update({ value: "–" });
  users.update({ value: "–" });
  const chart = lineChart({ label: t("item.history"), height: 240, empty: empty(t("audience.wait")), format: percent });
  const history = card(t("item.history"), { size: "full" });
  history.body.append(chart.element);
  const back = h("a", { class: "back", href: "#/audience" }, t("nav.audience"));

  function show(found) {
    name.textContent = title(found);
    redraw(tags, [found.item_id, found.categories], ([item_id, names]) => [h("code", {}, item_id), " ", names.map(category)]);
    share.update({ value: percent(found.share), detail: t("item.share.note") });
    users.update({ value: count(found.users), detail: t("item.users.note") });
    const { times, share: values } = found.history;
    chart.update(times.length === 0 ? null : { times, series: [{ name: title(found), kind: "model", values }] });
  }

  return {
    title: id,
    element: [
      back,
      heading(name, { note: tags }),
      h("dl", { class: "tiles few" }, share.element, users.element),
      h("div", { class: "grid" }, history.element),
    ],
    start(signal) {
      poll(async () => {
        try {
          show(await get(`items/${encodeURIComponent(id)}`, { window_s: 86_400 }, signal));
        } catch (error) {
          if (!(error instanceof ApiError) || error.status !== 404) throw error;
          redraw(tags, "unknown", () => t("item.unknown"));
          chart.update(null);
        }
      }, 5_000, signal);
    },
  };
}
