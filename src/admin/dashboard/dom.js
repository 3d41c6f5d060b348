// Elements without HTML: what comes from the network (paths, referrers, names) becomes text and
// attribute values, never markup. The page's policy forbids the other way, too (Trusted Types).

export const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children. Children are elements or text; `null` is left out.
 * `data` becomes data attributes, `on` listeners; an attribute that is `null` is left out.
 */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, { data = {}, on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  Object.assign(made.dataset, data);
  for (const [name, listener] of Object.entries(on)) made.addEventListener(name, listener);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A number for people, with the raw one beside it for tests: data-number and data-value. */
export function figure(name, value, shown, attributes = {}) {
  return element("span", { ...attributes, data: { number: name, value } }, shown);
}

/** Storage that may be forbidden or full: then nothing is kept. */
export function kept(storage) {
  const attempt = (act) => {
    try {
      return act();
    } catch {
      return null;
    }
  };
  return {
    get: (name) => attempt(() => window[storage].getItem(name)),
    set: (name, value) => attempt(() => window[storage].setItem(name, value)),
    remove: (name) => attempt(() => window[storage].removeItem(name)),
  };
}

/** Puts a tip beside a point of its container, inside the container's width. */
export function placeTip(tip, x, y) {
  tip.hidden = false;
  const box = tip.offsetParent?.clientWidth ?? window.innerWidth;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = x + 14 + width > box ? x - width - 14 : x + 14;
  tip.style.left = `${Math.max(0, Math.min(left, box - width))}px`;
  tip.style.top = `${Math.max(-height, y - height - 10)}px`;
}
