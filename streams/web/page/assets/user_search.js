// The search for a user: suggestions by prefix, chosen by keys or pointer.

import { ApiError, get } from "./api.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { category } from "./parts.js";

const SUGGESTIONS = 8;
const PAUSE_MS = 120; // between keystrokes

/** Where a user's page lies. */
export function userLink(id) {
  return `#/users/${encodeURIComponent(id)}`;
}

/** The search field; it goes to the user's page. Requests end with `signal`. */
export function userSearch(signal) {
  const list = h("ul", { id: "suggestions", role: "listbox", "aria-label": t("search.suggestions"), hidden: true });
  const input = h("input", {
    id: "search", type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", autocapitalize: "off", enterkeyhint: "search",
    "aria-expanded": "false", "aria-controls": "suggestions", "aria-autocomplete": "list", placeholder: t("search.placeholder"),
  });
  const form = h("form", { class: "search", role: "search", onsubmit: submit },
    h("label", { for: "search", class: "unseen" }, t("search.label")), input, list);
  let [found, chosen, timer, latest] = [[], -1, 0, 0];

  function submit(event) {
    event.preventDefault();
    const wanted = chosen >= 0 ? found[chosen] : input.value.trim();
    if (wanted !== "") location.hash = userLink(wanted);
  }

  function choose(index) {
    chosen = index;
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === index)));
    if (index >= 0) input.setAttribute("aria-activedescendant", `suggestion-${index}`);
    else input.removeAttribute("aria-activedescendant");
    list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  function unfold(users) {
    found = users.map(({ user_id }) => user_id);
    list.replaceChildren(...users.map(({ user_id, top_category }, index) =>
      h("li", { id: `suggestion-${index}`, role: "option", "aria-selected": "false", onpointerdown: (event) => (event.preventDefault(), choose(index), form.requestSubmit()) },
        h("span", {}, user_id), top_category ? category(top_category) : null)));
    list.hidden = users.length === 0;
    input.setAttribute("aria-expanded", String(users.length > 0));
    choose(-1);
  }

  async function suggest() {
    const number = (latest += 1);
    try {
      const { users } = await get("users", { prefix: input.value.trim(), limit: SUGGESTIONS }, signal);
      if (number === latest && document.activeElement === input) unfold(users);
    } catch (error) {
      if (!signal.aborted && !(error instanceof ApiError)) throw error;
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, PAUSE_MS);
  });
  input.addEventListener("blur", () => unfold([]));
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") unfold([]);
    else if (step !== undefined && list.hidden) suggest();
    else if (step !== undefined) {
      event.preventDefault();
      choose((chosen + step + found.length + (chosen < 0 && step < 0 ? 1 : 0)) % found.length);
    }
  });
  return form;
}
