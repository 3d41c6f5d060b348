// The line of views and guests, with the period before behind it. Drawn by uPlot (vendor/uplot.js,
// a classic script: it is there when modules run).
//
// The x axis is the point's place, not its time: days of 23 hours and months of 28 days are as wide
// as others, and no time zone but the site's, which the API has put into the texts, is needed.

import { ask, now } from "./api.js";
import { byId, element, figure, placeTip } from "./dom.js";
import * as format from "./format.js";
import { chartQuestion } from "./state.js";
import { counted, text } from "./strings.js";

const { uPlot } = window;
const HEIGHT = 280;
const LABEL = 76; // pixels that a label of the x axis takes at most

const hidden = new Set(); // "views", "guests", "before": what was switched off in the legend
let plot = null;
let told = null; // { points, period, last } as drawn
let byKeyboard = false;

export const load = (state, signal) => ask("chart/", chartQuestion(state), signal);

export function show({ points, period }) {
  // Hours of today that are still to come have no numbers, rather than none.
  const time = now();
  const last = points.findLastIndex((point) => point.time <= time);
  told = { points, period, last: last < 0 ? points.length - 1 : last };
  legend();
  draw();
  if (byId("chart-details").open) list();
}

/** Draws again what is shown: in other colours, another language, another width. */
export function redraw() {
  if (!told) return;
  legend();
  draw();
  if (byId("chart-details").open) list();
}

const sum = (what) => told.points.reduce((total, point) => total + what(point), 0);

function legend() {
  const totals = {
    views: [sum((point) => point.views), sum((point) => point.before?.views ?? 0)],
    guests: [sum((point) => point.guests), sum((point) => point.before?.guests ?? 0)],
  };
  const entry = (name, label, value) => {
    const button = element(
      "button",
      {
        type: "button",
        "aria-pressed": !hidden.has(name),
        data: { series: name },
        on: {
          click: () => {
            if (!hidden.delete(name)) hidden.add(name);
            redraw();
            byId("legend").querySelector(`[data-series="${name}"]`).focus();
          },
        },
      },
      element("span", { class: `mark ${name}`, "aria-hidden": "true" }),
      label,
    );
    if (value !== null) {
      button.append(" ", figure(`chart-${name}`, value, format.short(value, 999_999), { class: "strong-number" }));
    }
    return button;
  };
  // The guests of the hours of a day are more than the day's: who stays is counted in each.
  const guests = told.period === "hourly" ? null : totals.guests[0];
  byId("legend").replaceChildren(
    entry("views", text("views"), totals.views[0]),
    entry("guests", text("guests"), guests),
    entry("before", text("before"), null),
  );
  const chart = byId("chart");
  Object.assign(chart.dataset, {
    period: told.period,
    points: told.points.length,
    views: totals.views[0],
    guests: totals.guests[0],
    viewsBefore: totals.views[1],
    guestsBefore: totals.guests[1],
  });
  chart.setAttribute("aria-label", text("chart"));
}

// The colours are those of the legend's marks, as the style has them.
function colour(name) {
  const mark = byId("legend").querySelector(`.mark.${name}`);
  return getComputedStyle(mark).color;
}

const faint = (rgb, alpha) => rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`);

function draw() {
  plot?.destroy();
  byId("chart-tip").hidden = true;
  const { points, last } = told;
  const [views, guests] = [colour("views"), colour("guests")];
  const style = getComputedStyle(byId("chart"));
  const line = style.getPropertyValue("border-top-color");
  const label = style.color;
  const font = `12px ${style.fontFamily}`;

  // The point that is not over yet is come to by a dashed line: its fall is no fall.
  const alone = points.length < 3;
  const over = alone ? last : last - 1;
  const solid = (what) => points.map((point, index) => (index <= over ? point[what] : null));
  const open = (what) => points.map((point, index) => (index >= over && index <= last ? point[what] : null));
  const before = (what) => points.map((point) => point.before?.[what] ?? 0);
  const series = (name, what, stroke, options = {}) => ({
    show: !hidden.has(what) && !hidden.has(name),
    stroke,
    width: 2,
    points: { show: alone, size: 7, fill: stroke },
    ...options,
  });
  const behind = (stroke) => ({ stroke: faint(stroke, 0.5), width: 1.5, dash: [4, 4] });

  plot = new uPlot(
    {
      width: byId("chart").clientWidth,
      height: HEIGHT,
      padding: [12, 26, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false, setScale: false },
        points: { size: 8, width: 2 },
        // From point to point: between two there is nothing to tell.
        move: (u, left, top) => [left < 0 ? left : u.valToPos(u.posToIdx(left), "x"), top],
      },
      scales: {
        x: { time: false, range: points.length > 1 ? [0, points.length - 1] : [-1, 1] },
        y: { range: (_, __, most) => [0, Math.max(4, most * 1.08)] },
      },
      axes: [
        {
          stroke: label,
          font,
          size: 34,
          grid: { show: false },
          ticks: { stroke: line, width: 1, size: 4 },
          splits: (u) => ticks(u.width).map(({ index }) => index),
          values: (u, splits) => {
            const kinds = new Map(ticks(u.width).map(({ index, kind }) => [index, kind]));
            return splits.map((index) => format.tick(kinds.get(index), points[index].start));
          },
        },
        {
          stroke: label,
          font,
          incrs: [1, 2, 5].flatMap((step) => Array.from({ length: 12 }, (_, power) => step * 10 ** power)).sort((a, b) => a - b),
          space: 40,
          size: (_, values) => 16 + 7 * Math.max(2, ...(values ?? []).map((value) => value.length)),
          grid: { stroke: line, width: 1 },
          ticks: { show: false },
          values: (_, splits) => splits.map((value) => format.short(value, 9_999)),
        },
      ],
      series: [
        {},
        series("before", "views", views, behind(views)),
        series("before", "guests", guests, behind(guests)),
        series("views", "views", views, { fill: faint(views, 0.1) }),
        series("guests", "guests", guests, { fill: faint(guests, 0.12) }),
        series("views", "views", views, { fill: faint(views, 0.1), dash: [2, 4] }),
        series("guests", "guests", guests, { fill: faint(guests, 0.12), dash: [2, 4] }),
      ],
      hooks: { setCursor: [point] },
    },
    [points.map((_, index) => index), before("views"), before("guests"), solid("views"), solid("guests"), open("views"), open("guests")],
    byId("chart"),
  );
  // What is drawn is told by the table, and point by point to who uses the keyboard.
  plot.root.setAttribute("aria-hidden", "true");
}

// Which points have a label on the x axis, and of which kind.
function ticks(width) {
  const { points, period } = told;
  const starts = points.map(({ start }) => start);
  const all = starts.map((_, index) => index);
  const turns = (length) =>
    all.filter((index) => index > 0 && starts[index].slice(0, length) !== starts[index - 1].slice(0, length));
  const room = Math.max(2, Math.floor((width - 60) / LABEL));
  if (period === "hourly" && starts.length <= 25) {
    const step = [1, 2, 3, 4, 6, 12].find((hours) => all.length / hours <= room) ?? 12;
    return all
      .filter((index) => Number(starts[index].slice(11, 13)) % step === 0)
      .map((index) => ({ index, kind: "hour" }));
  }
  const long = (period === "daily" && all.length > 120) || (period === "weekly" && all.length > 20);
  const months = long || period === "monthly";
  const among = period === "hourly" ? [0, ...turns(10)] : long ? turns(7) : all;
  const step = Math.ceil(among.length / room);
  return among
    .filter((_, place) => (among.length - 1 - place) % step === 0)
    .map((index) => {
      const january = starts[index].slice(5, 7) === "01";
      return { index, kind: months ? (january ? "year" : "month") : "day" };
    });
}

// The tip beside the point that the pointer or the keyboard is at.
function point(u) {
  const tip = byId("chart-tip");
  const { idx: index, left } = u.cursor;
  const at = told?.points[index];
  if (!at || left < 0) {
    tip.hidden = true;
    return;
  }
  const row = (name, label, current, before) =>
    hidden.has(name)
      ? null
      : element(
          "tr",
          {},
          element("th", { scope: "row" }, element("span", { class: `mark ${name}` }), label),
          element("td", {}, index > told.last ? "–" : format.whole(current)),
          hidden.has("before") ? null : element("td", { class: "quiet" }, format.whole(before ?? 0)),
        );
  const title = element("strong", {}, format.point(told.period, at.start));
  if (index === told.last) title.append(" ", element("span", { class: "quiet" }, `(${text("unfinished")})`));
  const rows = [
    row("views", text("views"), at.views, at.before?.views),
    row("guests", text("guests"), at.guests, at.before?.guests),
  ];
  tip.replaceChildren(
    title,
    element(
      "table",
      {},
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("td"),
          element("td"),
          hidden.has("before") ? null : element("td", { class: "quiet" }, text("before")),
        ),
      ),
      element("tbody", {}, ...rows),
    ),
  );
  placeTip(tip, u.over.offsetLeft + left, 110);
  if (byKeyboard) {
    byId("chart-said").textContent = `${format.point(told.period, at.start)}: ${format.whole(at.views)} ${counted("views", at.views)}, ${format.whole(at.guests)} ${counted("guests", at.guests)}`;
  }
}

function list() {
  const { points, period } = told;
  const keys = ["when", "views", "guests", "viewsBefore", "guestsBefore"];
  const head = element("tr", {}, ...keys.map((key, index) => element("th", { scope: "col", class: index ? "n" : "" }, text(key))));
  const rows = points.map(({ start, views, guests, before }) =>
    element(
      "tr",
      { data: { start, views, guests, viewsBefore: before?.views ?? 0, guestsBefore: before?.guests ?? 0 } },
      element("th", { scope: "row" }, format.point(period, start)),
      ...[views, guests, before?.views ?? 0, before?.guests ?? 0].map((value) =>
        element("td", { class: "n" }, format.whole(value)),
      ),
    ),
  );
  byId("points").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}

/** Listens to the width, the keyboard and the table below. Once. */
export function begin() {
  const chart = byId("chart");
  new ResizeObserver(() => {
    if (plot && chart.clientWidth && chart.clientWidth !== plot.width) {
      plot.setSize({ width: chart.clientWidth, height: HEIGHT });
    }
  }).observe(chart);
  chart.addEventListener("keydown", (event) => {
    if (!plot || !told.points.length) return;
    const end = told.points.length - 1;
    const from = plot.cursor.idx ?? told.last + (event.key === "ArrowRight" ? -1 : 1);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: end }[event.key];
    if (event.key === "Escape") leave();
    if (to === undefined) return;
    event.preventDefault();
    byKeyboard = true;
    const index = Math.max(0, Math.min(to, end));
    plot.setCursor({ left: plot.valToPos(index, "x"), top: 40 });
    byKeyboard = false;
  });
  const leave = () => plot?.setCursor({ left: -10, top: -10 });
  chart.addEventListener("blur", leave);
  byId("chart-details").addEventListener("toggle", () => byId("chart-details").open && told && list());
}
