// One user: interest over time, where it moved, what comes next, and why.

import { ApiError, get, session } from "../api.js";
import { areaChart } from "../charts/areas.js";
import { barList, dividedBar } from "../charts/bars.js";
import { colorClass } from "../colors.js";
import { h, redraw } from "../dom.js";
import { ago, count, dateTime, decimal, percent } from "../format.js";
import { interestModel, moments } from "../interest.js";
import { t } from "../i18n.js";
import { card, empty, heading, title } from "../parts.js";
import { atMostEvery, poll, stay } from "../polling.js";
import { userSearch } from "../user_search.js";

const CARRIERS = { attention: "cat-0", following: "cat-2", copying: "cat-4", popularity: "cat-other" };

/** The view of a user: {title, element, start(signal)}. */
export function user(id) {
  const note = h("p", { class: "note" });
  const search = h("div", {});
  const path = `users/${encodeURIComponent(id)}`;
  const areas = areaChart({ label: t("user.history"), height: (width) => (width < 600 ? 260 : 330), empty: empty(t("user.empty")) });
  const history = card(t("user.history"), { size: "wide", explained: t("user.history.explained") });
  const moved = h("div", {});
  history.body.append(areas.element, moved);
  const now = card(t("user.now"));
  const next = card(t("user.next"));
  const why = card(t("user.why"));
  const outlook = card(t("user.outlook"));
  const recent = card(t("user.events"));
  let truth = null;
  let latest = null;

  function unknown() {
    note.textContent = t("user.unknown");
    for (const { body } of [now, next, why, recent]) redraw(body, "unknown", () => empty(t("user.empty")));
    areas.update(null);
  }

  function showNote() {
    if (latest === null) return;
    note.textContent = t("user.note", { n: count(latest.state_version), ago: ago(latest.emitted_at), model: latest.model_version });
  }

  function show(interests) {
    latest = interests;
    showNote();
    const true_name = truth?.at(interests.event_time) ?? null;
    redraw(now.body, [interests.categories, true_name], () => showNow(interests.categories, true_name));
    redraw(next.body, [interests.items, interests.other_p], () => showNext(interests));
    outlook.element.hidden = interests.horizons.length === 0;
    redraw(outlook.body, [interests.horizons, interests.return_p], () => showOutlook(interests));
    redraw(why.body, [interests.items[0], interests.because, interests.because_other, interests.carried_by], () => showWhy(interests));
  }

  function showHistory({ points }) {
    const ordered = [...points].reverse();
    areas.update(ordered.length === 0 ? null : interestModel(ordered, truth));
    redraw(moved, moments(ordered), (found) => showMoments(found, areas));
  }

  async function refresh(signal) {
    try {
      const [interests, past, events] = await Promise.all([
        get(`${path}/interests`, { limit: 10 }, signal), get(`${path}/history`, { limit: 200 }, signal), get(`${path}/events`, { limit: 10 }, signal),
      ]);
      show(interests);
      showHistory(past);
      redraw(recent.body, events.events, showEvents);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      unknown();
    }
  }

  return {
    title: id,
    element: [
      heading(h("span", { class: "id" }, id), { note, aside: [search] }),
      h("div", { class: "grid" }, history.element, now.element, next.element, outlook.element, why.element, recent.element),
    ],
    start(signal) {
      search.replaceChildren(userSearch(signal));
      const soon = atMostEvery(1_000, signal, () => refresh(signal));
      loadTruth(id, signal).then((known) => (truth = known)).finally(() => poll(() => refresh(signal), 15_000, signal));
      stay("stream", { user: id }, signal, (type) => type === "prediction" && soon());
      poll(async () => showNote(), 5_000, signal);
    },
  };
}

/** What is true of a synthetic user at each time, where the server knows it; else null. */
async function loadTruth(id, signal) {
  try {
    if (!(await session(signal)).truth) return null;
    const { points } = await get(`truth/${encodeURIComponent(id)}`, {}, signal);
    return { at: (time) => points.findLast(({ event_time }) => event_time <= time)?.categories[0]?.category ?? null };
  } catch (error) {
    if (!signal.aborted && !(error instanceof ApiError)) throw error;
    return null;
  }
}

function showNow(categories, true_name) {
  return [
    barList(categories.slice(0, 12).map(({ category, p }) => ({
      name: category, value: p, text: percent(p), kind: colorClass(category), marker: category === true_name ? t("user.truth.mark") : null,
    }))),
    true_name === null ? null : h("p", { class: "explained" }, t("user.truth.explained")),
  ];
}

function showNext({ items, other_p }) {
  return [
    barList(items.map((item) => ({
      name: title(item), value: item.p, text: percent(item.p), kind: colorClass(item.categories[0]), note: item.categories.join(", "),
      href: `#/items/${encodeURIComponent(item.item_id)}`,
    })), { ordered: true }),
    h("p", { class: "explained" }, t("user.other", { p: percent(other_p) })),
  ];
}

function showOutlook({ horizons, return_p }) {
  return [
    h("h3", {}, t("outlook.return")),
    barList(Object.entries(return_p).map(([days, p]) => ({ name: t("outlook.within", { days }), value: p, text: percent(p) })), { maximum: 1 }),
    horizons.slice(-1).flatMap(({ days, categories, type_p, spent }) => [
      h("h3", {}, t("outlook.interest", { days: String(days) })),
      barList(categories.map(({ category, p }) => ({ name: category, value: p, text: percent(p), kind: colorClass(category) }))),
      ...showTypes(String(days), Object.entries(type_p).sort(([, p], [, q]) => q - p), spent),
    ]),
  ];
}

function showTypes(days, types, spent) {
  if (types.length === 0) return [];
  return [
    h("h3", {}, t("outlook.types", { days })),
    barList(types.map(([type, p]) => ({ name: type, value: p, text: percent(p) })), { maximum: 1 }),
    ...(spent ? [h("p", {}, t("outlook.spent", { spent: decimal(spent, 2) }))] : []),
  ];
}

function showWhy({ items, because, because_other, carried_by }) {
  if (items.length === 0) return empty(t("user.empty"));
  const carriers = { attention: t("carrier.attention"), following: t("carrier.following"), copying: t("carrier.copying"), popularity: t("carrier.popularity") };
  return [
    h("p", {}, t("why.of"), " ", h("strong", {}, title(items[0])), ` (${percent(items[0].p)})`),
    h("h3", {}, t("why.items")),
    barList([
      ...because.map((item) => ({ name: title(item), value: item.weight, text: percent(item.weight) })),
      { name: t("why.other"), value: because_other, text: percent(because_other), kind: "quiet" },
      { name: t("carrier.popularity"), value: carried_by.popularity, text: percent(carried_by.popularity), kind: "quiet" },
    ], { maximum: 1 }),
    h("h3", {}, t("why.parts")),
    dividedBar(Object.entries(carriers).map(([part, name]) => ({ name, value: carried_by[part], text: percent(carried_by[part]), kind: CARRIERS[part] }))),
  ];
}

function showMoments(found, areas) {
  if (found.length === 0) return [];
  return [
    h("h3", {}, t("moved.title")),
    h("ul", { class: "moments" }, found.map(({ index, time, changes }) =>
      h("li", {},
        h("button", { type: "button", "data-key": String(time), onclick: () => areas.point(index), onfocus: () => areas.point(index), onblur: () => areas.point(null) },
          h("time", {}, dateTime(time)),
          changes.map(({ category, before, after }) =>
            h("span", {}, h("i", { class: `swatch ${colorClass(category)}` }), category, " ", h("b", {}, t("moved.change", { before: percent(before), after: percent(after) })))))))),
  ];
}

function showEvents(events) {
  if (events.length === 0) return empty(t("user.empty"));
  return h("ol", { class: "events" }, events.map((event) =>
    h("li", {},
      h("span", {}, event.item_id ? title(event) : "–"),
      h("small", {}, `${event.event_type} · ${dateTime(event.time)}`))));
}
