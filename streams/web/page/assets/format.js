// Numbers and times as the reader's language writes them.

import { region, t } from "./i18n.js";

const made = new Map();

function formatter(type, options) {
  const key = `${region()} ${type.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new type(region(), options));
  return made.get(key);
}

const NONE = "–";
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

/** Whole number. */
export function count(value) {
  return known(value) ? formatter(Intl.NumberFormat, { maximumFractionDigits: 0 }).format(value) : NONE;
}

/** Number of at most four signs, such as 1.2M. */
export function compact(value) {
  if (!known(value)) return NONE;
  const digits = value >= 1000 ? { notation: "compact", maximumSignificantDigits: 3 } : { maximumFractionDigits: value < 10 ? 1 : 0 };
  return formatter(Intl.NumberFormat, digits).format(value);
}

/** So many decimals. */
export function decimal(value, digits = 3) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return known(value) ? formatter(Intl.NumberFormat, options).format(value) : NONE;
}

/** Share of 1 in percent; one decimal below ten. */
export function percent(value) {
  if (!known(value)) return NONE;
  if (value > 0 && value < 0.001) return `<${percent(0.001)}`;
  const digits = value > 0 && value < 0.0995 ? 1 : 0;
  const options = { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits };
  return formatter(Intl.NumberFormat, options).format(value);
}

/** Difference of two shares in percentage points, with its sign. */
export function points(value) {
  if (!known(value)) return NONE;
  const options = { signDisplay: "exceptZero", minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return t("points", { n: formatter(Intl.NumberFormat, options).format(100 * value) });
}

/** Milliseconds. */
export function millis(value) {
  const options = { style: "unit", unit: "millisecond", maximumFractionDigits: 0 };
  return known(value) ? formatter(Intl.NumberFormat, options).format(value) : NONE;
}

/** Date and time of epoch ms, to the second. */
export function dateTime(ms) {
  return known(ms) ? formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(ms) : NONE;
}

/** Time of day. */
export function clock(ms) {
  return known(ms) ? formatter(Intl.DateTimeFormat, { timeStyle: "medium" }).format(ms) : NONE;
}

/** The same, without the date for what was today. */
export function timeOfDay(ms) {
  return known(ms) && new Date(ms).toDateString() === new Date().toDateString() ? clock(ms) : dateTime(ms);
}

/** A label of a time axis that spans so many ms. */
export function axisTime(ms, spanMs) {
  if (spanMs > 2 * 86_400_000) return formatter(Intl.DateTimeFormat, { month: "short", day: "numeric" }).format(ms);
  const seconds = spanMs < 600_000 ? { second: "2-digit" } : {};
  return formatter(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", ...seconds }).format(ms);
}

/** How long ago, in the largest unit that fits. */
export function ago(ms) {
  if (!known(ms)) return NONE;
  let value = Math.min(0, ms - Date.now()) / 1000;
  for (const [unit, size] of [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]]) {
    if (-value < size) return formatter(Intl.RelativeTimeFormat, { numeric: "auto" }).format(Math.round(value), unit);
    value /= size;
  }
  return NONE;
}

/** Sorted whole numbers, those in a row together: 0–3, 7. */
export function ranges(numbers) {
  const rows = [];
  for (const number of numbers) {
    if (rows.length > 0 && rows.at(-1)[1] === number - 1) rows.at(-1)[1] = number;
    else rows.push([number, number]);
  }
  return rows.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ") || NONE;
}
