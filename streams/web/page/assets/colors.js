// One colour per category, the same in all views.

const COLORS = 12; // classes cat-0 … of style.css
const KEPT = "interest-stream.colors";

const assigned = new Map(JSON.parse(sessionStorage.getItem(KEPT) ?? "[]"));

function hash(text) {
  let value = 2166136261; // FNV-1a
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 16777619) >>> 0;
  return value;
}

/** The class that sets the category's colour; null is what is left of all others. */
export function colorClass(category) {
  if (category === null || category === undefined) return "cat-other";
  if (!assigned.has(category)) {
    const taken = new Set(assigned.values());
    let color = hash(category) % COLORS;
    for (let step = 0; step < COLORS && taken.has(color); step += 1) color = (color + 1) % COLORS;
    assigned.set(category, color);
    sessionStorage.setItem(KEPT, JSON.stringify([...assigned]));
  }
  return `cat-${assigned.get(category)}`;
}

/** Give colours to these categories, those of the same names the same ones whichever view comes first. */
export function reserve(categories) {
  for (const category of [...categories].sort()) colorClass(category);
}
