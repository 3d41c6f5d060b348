// The live counter and the numbers at a glance.

import { ask } from "./api.js";
import { byId, element, figure } from "./dom.js";
import * as format from "./format.js";
import { question } from "./state.js";
import { counted, locale, text } from "./strings.js";

const PERIODS = ["today", "yesterday", "days_7", "days_30", "all_time"];

let shown = ""; // what the cards tell

export const load = (state, signal) => ask("overview/", question(state), signal);

export function show(overview) {
  const { minutes, guests, views } = overview.live;
  const told = counted("live", guests, MARK, format.whole(minutes));
  const number = figure("live-guests", guests, format.whole(guests), { class: "strong-number" });
  byId("live-text").replaceChildren(...around(told, number));
  byId("live").dataset.views = views;
  byId("live").title = text("liveViews", format.whole(views));
  byId("live").classList.toggle("some", guests > 0);
  byId("live").hidden = false;

  // With a line for partial requests in every card or in none, so that their lines are level.
  const partials = overview.all_time.partials > 0;
  // Every few seconds mostly the same: left alone then, with the tip that is open on it.
  const key = JSON.stringify([locale(), PERIODS.map((name) => overview[name])]);
  if (key !== shown) {
    byId("numbers").replaceChildren(...PERIODS.map((name) => card(name, overview[name], partials)));
  }
  shown = key;
  byId("told").textContent = text(
    "told",
    overview.time_zone,
    format.clock(overview.generated, overview.time_zone),
  );
}

// A sentence with an element where its number stands.
const MARK = "\u0000";
const around = (sentence, made) => sentence.split(MARK).flatMap((part, place) => (place ? [made, part] : [part]));

// The name of a number for tests: days_7 and guests make "days-7-guests".
const number = (name, what) => `${name.replace("_", "-")}-${what}`;

function card(name, period, withPartials) {
  const main = (what) =>
    element(
      "p",
      { class: `main ${what}` },
      figure(number(name, what), period[what], format.short(period[what], 999_999), {
        class: "big",
        title: format.whole(period[what]),
      }),
      " ",
      element("span", { class: "unit" }, counted(what, period[what])),
      badge(name, what, period),
    );
  const partials = withPartials
    ? element(
        "p",
        { class: "quiet partials", title: text("partialsWhy") },
        ...around(counted("partials", period.partials, MARK), figure(number(name, "partials"), period.partials, format.short(period.partials))),
      )
    : null;
  return element(
    "article",
    { class: "card number", "aria-labelledby": `number-${name}` },
    element(
      "h2",
      { id: `number-${name}` },
      text(name),
      " ",
      element("span", { class: "quiet when" }, when(name, period)),
    ),
    main("guests"),
    main("views"),
    split(name, period),
    partials,
  );
}

function when(name, { from, to }) {
  if (!from) return ""; // There is nothing that it could be since.
  return name === "all_time" ? text("since", format.days(from, from, true)) : format.days(from, to);
}

// The change against the period before. The sign says it, the colour only repeats it.
function badge(name, what, { before, change }) {
  const percent = change?.[what];
  if (!before || percent === null || percent === undefined) return null;
  const direction = percent > 0 ? "up" : percent < 0 ? "down" : "same";
  const against = text(
    name === "today" ? "changeBefore_today" : "changeBefore_other",
    format.whole(before[what]),
  );
  return figure(number(name, `${what}-change`), percent, format.change(percent), {
    class: `change ${direction}`,
    title: against,
  });
}

// Web and app apart: a bar of the guests' shares, and both numbers of both.
function split(name, { web, app }) {
  const bar = element("div", { class: "split-bar", "aria-hidden": "true" });
  for (const [source, { guests }] of [["web", web], ["app", app]]) {
    const part = element("span", { class: source });
    part.style.flexGrow = guests;
    bar.append(part);
  }
  const rows = [["web", web], ["app", app]].map(([source, numbers]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", class: source }, text(source)),
      ...["guests", "views"].map((what) =>
        element(
          "td",
          { title: `${format.whole(numbers[what])} ${counted(what, numbers[what])}` },
          figure(number(name, `${source}-${what}`), numbers[what], format.short(numbers[what], 9_999)),
        ),
      ),
    ),
  );
  const head = element(
    "thead",
    { class: "unseen" },
    element("tr", {}, ...["source", "guests", "views"].map((key) => element("th", { scope: "col" }, text(key)))),
  );
  return element(
    "div",
    { class: "split" },
    bar,
    element("table", {}, head, element("tbody", {}, ...rows)),
  );
}
