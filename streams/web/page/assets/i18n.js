// The page's texts: one module per language, all with the same keys.

import en from "./i18n/en.js";
import zh from "./i18n/zh.js";

const CHOICE = "interest-stream.language";
const TEXTS = { en, zh };

function preferred() {
  const wanted = [localStorage.getItem(CHOICE), ...navigator.languages].filter(Boolean);
  return wanted.map((tag) => tag.split("-")[0]).find((language) => language in TEXTS) ?? "en";
}

let language = preferred();

/** The language in use, "en" or "zh". */
export function locale() {
  return language;
}

/** The reader's tag of that language, such as "en-GB": how numbers and times are written. */
export function region() {
  return navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
}

/** Use the language from now on, and remember it. */
export function setLocale(choice) {
  language = choice;
  localStorage.setItem(CHOICE, choice);
}

/** The text of this key, with the values put where it names them in braces. */
export function t(key, values = {}) {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Put texts into the elements of the page that name a key. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
}
