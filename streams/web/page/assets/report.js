// A report: the views of all users together, one below the other, as of the time when it was made.

import { get } from "./api.js";
import { reserve } from "./colors.js";
import { h } from "./dom.js";
import { dateTime } from "./format.js";
import { t, translate } from "./i18n.js";
import { audience } from "./views/audience.js";
import { data } from "./views/data.js";
import { experiments } from "./views/experiments.js";
import { model } from "./views/model.js";
import { overview } from "./views/overview.js";

const { source, made_ms } = JSON.parse(document.getElementById("report").textContent);
Date.now = () => made_ms; // "a minute ago" is before the report was made

const known = await get("trending", { by: "categories", limit: 100 });
reserve(known.most_wanted.map(({ category }) => category));
translate(document);
document.title = `interest-stream · ${dateTime(made_ms)}`;
const views = [overview(), audience(), model(), experiments(), data(new URLSearchParams())];
const note = h("p", { class: "note" }, t("report.note", { source, time: dateTime(made_ms) }));
document.getElementById("main").replaceChildren(note, ...views.map(({ element }) => h("div", { class: "view" }, element)));
for (const view of views) view.start(new AbortController().signal);
