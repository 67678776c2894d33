// Users: the search, and those with the newest predictions.

import { get } from "../api.js";
import { h, redraw } from "../dom.js";
import { ago, count, dateTime } from "../format.js";
import { t } from "../i18n.js";
import { card, category, empty, heading, table } from "../parts.js";
import { poll } from "../polling.js";
import { userLink, userSearch } from "../user_search.js";

const PAGE = 25;

/** The view: {title, element, start(signal)}. */
export function users() {
  const search = h("div", { class: "row" });
  const listed = card(t("users.all"), { size: "full" });
  const rows = h("div", {});
  const more = h("button", { type: "button", hidden: true }, t("more"));
  listed.body.append(rows, more);
  let pages = 1;

  async function load(signal) {
    let [all, cursor] = [[], null];
    for (let page = 0; page < pages; page += 1) {
      const answer = await get("users", { limit: PAGE, cursor }, signal);
      all = [...all, ...answer.users];
      cursor = answer.next;
      if (cursor === null) break;
    }
    more.hidden = cursor === null;
    redraw(rows, all.map((user) => ({ ...user, age: ago(user.event_time) })), show);
  }

  return {
    title: t("nav.users"),
    element: [heading(t("nav.users"), { note: h("p", { class: "note" }, t("users.note")) }), search, h("div", { class: "grid" }, listed.element)],
    start(signal) {
      search.replaceChildren(userSearch(signal));
      more.addEventListener("click", () => {
        pages += 1;
        load(signal).catch((error) => signal.aborted || console.warn(error.message));
      }, { signal });
      poll(() => load(signal), 10_000, signal);
    },
  };
}

function show(found) {
  if (found.length === 0) return empty(t("predictions.empty"), "interest-stream worker");
  const columns = [{ name: t("user"), wide: true }, { name: t("users.top") }, { name: t("users.events"), number: true }, { name: t("users.last") }];
  return table(t("users.all"), columns, found.map((user) => [
    h("a", { href: userLink(user.user_id), "data-key": user.user_id }, user.user_id),
    user.top_category ? category(user.top_category) : "–",
    count(user.state_version),
    h("time", { title: dateTime(user.event_time) }, user.age),
  ]));
}
