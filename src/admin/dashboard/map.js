// The world by country: the shapes come with the page, the numbers from the API.

import { askAll } from "./api.js";
import { byId, element, placeTip, shape } from "./dom.js";
import * as format from "./format.js";
import { question, toggled, write } from "./state.js";
import { counted, text } from "./strings.js";

const LEVELS = 6;
const DOT = 6; // radius, in the map's units of 1,600 a width

let world; // the shapes, once fetched
let svg;
let lands = new Map(); // code -> element
let told; // { numbers, total, order, state } as shown
let place = 0; // where the keyboard is, in `order`

const shapes = async () => {
  const answer = await fetch(new URL("vendor/world.json", import.meta.url));
  if (!answer.ok) throw new Error(`world.json: ${answer.status}`);
  return answer.json();
};

export async function load(state, signal) {
  const asked = askAll("top-countries/", { ...question(state), days: state.days }, signal);
  // Not with the question's signal: the shapes serve the next question, too.
  world ??= shapes();
  world.catch(() => (world = undefined));
  const [answer, drawn] = await Promise.all([asked, world]);
  return { answer, drawn };
}

export function show({ answer, drawn }, state) {
  if (!svg) draw(drawn);
  const numbers = new Map(answer.items.map((item) => [item.name, item]));
  const most = answer.items.reduce(
    (highest, { name, views }) => (lands.has(name) ? Math.max(highest, views) : highest),
    0,
  );
  const order = answer.items.map(({ name }) => name).filter((name) => lands.has(name));
  told = { numbers, total: answer.total.views, order, state };
  place = Math.min(place, Math.max(order.length - 1, 0));
  for (const [code, land] of lands) {
    const item = numbers.get(code);
    const views = item?.views ?? 0;
    land.dataset.level = level(views, most);
    land.dataset.views = views;
    land.dataset.guests = item?.guests ?? 0;
    land.classList.toggle("chosen", state.filters.country === code);
    land.setAttribute("aria-pressed", state.filters.country === code);
    land.setAttribute("aria-label", describe(code));
    // Only what has visits can be come to by the keyboard, through one stop for the whole map.
    land.setAttribute("tabindex", order[place] === code ? "0" : "-1");
    if (views) land.removeAttribute("aria-hidden");
    else land.setAttribute("aria-hidden", "true");
  }
  svg.setAttribute("aria-label", text("map"));
  byId("map-tip").hidden = true;
  scale(most);
}

// By the logarithm: one country has most of the visits on nearly every site, and the others are to
// be told from each other, too. What has less than a 400th of the most is all of the palest.
function level(views, most) {
  if (!views) return 0;
  const least = Math.max(1, most / 400);
  if (most <= least) return LEVELS;
  const part = Math.log(Math.max(views, least) / least) / Math.log(most / least);
  return 1 + Math.round((LEVELS - 1) * part);
}

function scale(most) {
  const swatches = Array.from({ length: LEVELS + 1 }, (_, index) =>
    element("span", { class: "swatch", data: { level: index } }),
  );
  byId("scale").replaceChildren(text("fewer"), ...swatches, format.short(most, 9_999));
}

function describe(code) {
  const { guests = 0, views = 0 } = told.numbers.get(code) ?? {};
  return `${format.country(code)}: ${format.whole(guests)} ${counted("guests", guests)}, ${format.whole(views)} ${counted("views", views)}`;
}

function draw({ width, height, shapes, dots }) {
  const land = (code, made) => {
    made.setAttribute("role", "button");
    made.dataset.country = code;
    lands.set(code, made);
    return made;
  };
  const paths = Object.entries(shapes).map(([code, d]) => land(code, shape("path", { d, class: "land" })));
  const circles = Object.entries(dots).map(([code, [cx, cy]]) =>
    land(code, shape("circle", { cx, cy, r: DOT, class: "land dot" })),
  );
  svg = shape(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      role: "group",
      "aria-describedby": "map-help",
    },
    ...paths,
    ...circles,
  );
  // At the div: an SVG that listens to the focus would be a stop of its own in Chromium.
  const listeners = { click, pointermove, pointerleave: hide, keydown, focusin, focusout: hide };
  for (const [name, listener] of Object.entries(listeners)) byId("map").addEventListener(name, listener);
  byId("map").prepend(svg);
}

const codeOf = (event) => event.target.closest?.("[data-country]")?.dataset.country;

const choose = (code) => {
  location.hash = write(toggled(told.state, "country", code));
};

function click(event) {
  const code = codeOf(event);
  // A click on a land without visits would only show a page of nothing.
  if (code && (told.numbers.has(code) || told.state.filters.country === code)) choose(code);
}

function tip(code, x, y) {
  const { guests = 0, views = 0 } = told.numbers.get(code) ?? {};
  byId("map-tip").replaceChildren(
    element("strong", {}, format.country(code)),
    element("span", {}, `${format.whole(guests)} ${counted("guests", guests)}`),
    element("span", {}, `${format.whole(views)} ${counted("views", views)}`),
    element("span", { class: "quiet" }, format.share(told.total ? views / told.total : 0)),
  );
  placeTip(byId("map-tip"), x, y);
}

function pointermove(event) {
  const code = codeOf(event);
  if (!code || !told) return hide();
  const box = byId("map").getBoundingClientRect();
  tip(code, event.clientX - box.left, event.clientY - box.top);
}

function focusin(event) {
  const code = codeOf(event);
  if (!code || !event.target.matches(":focus-visible")) return;
  const box = byId("map").getBoundingClientRect();
  const land = event.target.getBoundingClientRect();
  tip(code, land.left + land.width / 2 - box.left, land.top + land.height / 2 - box.top);
}

function hide() {
  byId("map-tip").hidden = true;
}

function keydown(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step && told.order.length) {
    event.preventDefault();
    lands.get(told.order[place])?.setAttribute("tabindex", "-1");
    place = (place + step + told.order.length) % told.order.length;
    const land = lands.get(told.order[place]);
    land.setAttribute("tabindex", "0");
    land.focus();
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    click(event);
  } else if (event.key === "Escape") {
    hide();
  }
}
