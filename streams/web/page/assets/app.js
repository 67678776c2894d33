// The page: which view is shown, in which language and colours, and whether the server answers.

import { connection, get, hasToken, setToken } from "./api.js";
import { reserve } from "./colors.js";
import { h } from "./dom.js";
import { locale, setLocale, t, translate } from "./i18n.js";
import { audience } from "./views/audience.js";
import { data } from "./views/data.js";
import { experiments } from "./views/experiments.js";
import { item } from "./views/item.js";
import { model } from "./views/model.js";
import { overview } from "./views/overview.js";
import { segments } from "./views/segments.js";
import { user } from "./views/user.js";
import { users } from "./views/users.js";

const THEME = "interest-stream.theme"; // read by theme.js
const ROUTES = [
  [/^\/overview$/, "overview", overview],
  [/^\/audience$/, "audience", audience],
  [/^\/items\/([^/]+)$/, "audience", item],
  [/^\/segments$/, "segments", segments],
  [/^\/users$/, "users", users],
  [/^\/users\/([^/]+)$/, "users", user],
  [/^\/model$/, "model", model],
  [/^\/experiments$/, "experiments", () => experiments()],
  [/^\/experiments\/([^/]+)$/, "experiments", experiments],
  [/^\/data$/, "data", data],
];

const byId = (id) => document.getElementById(id);
const main = byId("main");
let running = new AbortController();

/** The view that the address names: [its place in the navigation, how to make it]. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  for (const [pattern, name, make] of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    try {
      const parts = match.slice(1).map(decodeURIComponent);
      return [name, () => make(...parts, new URLSearchParams(query))];
    } catch {
      break; // not what encodeURIComponent writes
    }
  }
  return ["overview", overview];
}

function show() {
  running.abort();
  running = new AbortController();
  const [name, make] = route();
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = make();
  document.title = `${view.title} · interest-stream`;
  main.dataset.shown = name;
  main.replaceChildren(h("div", { class: "view" }, view.element));
  view.start(running.signal);
}

function changed() {
  if (location.hash === "#main") return;
  show();
  scrollTo(0, 0);
  main.querySelector("h1")?.focus({ preventScroll: true });
}

function translateAll() {
  translate(document);
  const other = locale() === "en" ? ["zh", "中文", "zh-Hans"] : ["en", "English", "en"];
  const button = byId("language");
  [button.value, button.textContent, button.lang] = other;
  button.setAttribute("aria-label", other[1]);
  nameTheme();
}

function dark() {
  return document.documentElement.dataset.theme === "dark" ||
    (document.documentElement.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
}

function nameTheme() {
  byId("theme").setAttribute("aria-label", t(dark() ? "theme.light" : "theme.dark"));
}

function askForToken() {
  const dialog = byId("token");
  if (dialog.open) return;
  byId("token-wrong").hidden = !hasToken();
  dialog.showModal();
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
byId("language").addEventListener("click", (event) => {
  setLocale(event.currentTarget.value);
  translateAll();
  show();
});
byId("theme").addEventListener("click", () => {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
  nameTheme();
});
byId("token").addEventListener("cancel", (event) => event.preventDefault());
byId("token").addEventListener("close", () => {
  setToken(byId("token-value").value);
  byId("token-value").value = "";
  show();
});
connection.addEventListener("unauthorized", askForToken);
connection.addEventListener("unreachable", () => {
  byId("banner").textContent = t("unreachable");
  byId("banner").hidden = false;
});
connection.addEventListener("reachable", () => (byId("banner").hidden = true));
addEventListener("hashchange", changed);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);

translateAll();
show();
get("trending", { by: "categories", limit: 100 }).then(({ most_wanted: all }) => reserve(all.map(({ category }) => category)), () => {});
