// The tables: pages, countries, referrers, devices, browsers, systems.

import { ask } from "./api.js";
import { element } from "./dom.js";
import * as format from "./format.js";
import { question, toggled, write } from "./state.js";
import { text } from "./strings.js";

const FIRST = 8;
const MORE = 40;
const MOST = 100; // in one question
const NAME_SHOWN = 300; // characters: more than any line holds, less than what a hostile path has

const TABLES = {
  countries: { path: "top-countries/", filter: "country" },
  pages: { path: "top-pages/", filter: "path" },
  referrers: { path: "top-referrers/", filter: "referrer" },
  devices: { path: "devices/", filter: "device" },
  browsers: { path: "browsers/", filter: "browser" },
  systems: { path: "os/", filter: "os" },
};

/** All tables, each as a part of the page: { load(state, signal), show(answer, state) }. */
export function tables(trouble) {
  return [...document.querySelectorAll("[data-table]")].map((section) => table(section, trouble));
}

function table(section, trouble) {
  const name = section.dataset.table;
  const { path, filter } = TABLES[name];
  let asked = ""; // what the rows in the table answer
  let items = [];

  const list = async (state, signal, limit, offset) =>
    ask(path, { ...question(state), days: state.days, limit, offset }, signal);

  async function load(state, signal) {
    // When the numbers are only asked for again, the rows that somebody opened stay open.
    const same = asked === write(state);
    return list(state, signal, same ? Math.min(Math.max(items.length, FIRST), MOST) : FIRST, 0);
  }

  function show(answer, state, signal) {
    asked = write(state);
    items = answer.items;
    draw(answer, state, signal);
  }

  async function more(answer, state, signal, button) {
    button.disabled = true;
    try {
      const next = await list(state, signal, MORE, answer.next);
      if (signal.aborted) return;
      const from = items.length;
      items = [...items, ...next.items];
      draw(next, state, signal);
      section.querySelectorAll("tbody a")[from]?.focus();
    } catch (error) {
      button.disabled = false;
      if (!signal.aborted) trouble(error);
    }
  }

  function draw(answer, state, signal) {
    const focused = section.contains(document.activeElement) ? document.activeElement.closest("tr") : null;
    const largest = items.reduce((most, { views }) => Math.max(most, views), 0);
    const shares = answer.total.views;
    const rows = items.map((item) => row(item, state, filter, largest, shares));
    const title = element("h2", { id: `table-${name}` }, text(name));
    const body = rows.length
      ? element(
          "table",
          { class: "list", "aria-labelledby": `table-${name}` },
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              element("th", { scope: "col" }, text(filter)),
              element("th", { scope: "col", class: "n" }, text("guests")),
              element("th", { scope: "col", class: "n" }, text("views")),
              element("th", { scope: "col", class: "n share" }, text("shareOf")),
            ),
          ),
          element("tbody", {}, ...rows),
        )
      : element(
          "p",
          { class: "nothing" },
          text(Object.keys(state.filters).length ? "nothingFiltered" : "nothing"),
        );
    const left = answer.count - items.length;
    const foot =
      answer.next !== null && left > 0
        ? element(
            "button",
            {
              type: "button",
              class: "more",
              "aria-describedby": `table-${name}`,
              on: { click: ({ currentTarget }) => more(answer, state, signal, currentTarget) },
            },
            text("more"),
            " ",
            element("span", { class: "quiet" }, text("moreOf", format.whole(left))),
          )
        : null;
    section.toggleAttribute("data-opened", items.length > FIRST);
    section.dataset.count = answer.count;
    section.dataset.totalViews = answer.total.views;
    section.dataset.totalGuests = answer.total.guests;
    section.setAttribute("aria-labelledby", `table-${name}`);
    section.replaceChildren(title, body, ...(foot ? [foot] : []));
    if (focused) rows.find((each) => each.dataset.name === focused.dataset.name)?.querySelector("a").focus();
  }

  return { name, load, show };
}

function row(item, state, filter, largest, shares) {
  const on = state.filters[filter] === item.name;
  const shown = format.itemName(filter, item.name).slice(0, NAME_SHOWN);
  const bar = element("span", { class: "share-bar", "aria-hidden": "true" });
  bar.style.width = `${largest ? (100 * item.views) / largest : 0}%`;
  const part = item.share ?? (shares ? item.views / shares : 0);
  const number = (what) =>
    element("td", { class: `n ${what}`, title: format.whole(item[what]) }, format.short(item[what]));
  return element(
    "tr",
    { data: { name: item.name, guests: item.guests, views: item.views } },
    element(
      "th",
      { scope: "row" },
      bar,
      element(
        "a",
        {
          href: write(toggled(state, filter, item.name)),
          title: on ? text("unfilter", shown) : shown,
          "aria-current": on ? "true" : null,
        },
        // Isolated: a name that is written from right to left does not turn its surroundings.
        element("bdi", {}, shown),
      ),
    ),
    number("guests"),
    number("views"),
    element("td", { class: "n share" }, format.share(part)),
  );
}
