// Elements by DOM calls alone: strings become text nodes, so that nothing from a record is ever markup.

const SVG = "http://www.w3.org/2000/svg";

/** HTML element. `on…` attributes are listeners, `vars` custom properties; null, undefined and false are left out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** SVG element, likewise. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

const drawn = new WeakMap();

/** Draw `data` into the container by `build`, unless it shows just that; what has focus or is unfolded stays so. */
export function redraw(container, data, build) {
  const signature = JSON.stringify(data);
  if (drawn.get(container) === signature) return;
  drawn.set(container, signature);
  const active = document.activeElement;
  const key = container.contains(active) ? active.dataset.key : undefined;
  const unfolded = [...container.querySelectorAll("details[open][data-key]")].map((details) => details.dataset.key);
  container.replaceChildren(...present([build(data)]));
  for (const details of container.querySelectorAll("details[data-key]")) {
    if (unfolded.includes(details.dataset.key)) details.open = true;
  }
  if (key !== undefined) container.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
