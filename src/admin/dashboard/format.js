// Numbers, dates and names in the reader's language.

import { locale, text } from "./strings.js";

const made = new Map();

/** One formatter per language and kind: they are costly to make. */
function formatter(Kind, options) {
  const key = `${locale()} ${Kind.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Kind(locale(), options));
  return made.get(key);
}

const numbers = (options) => formatter(Intl.NumberFormat, options);

/** 1,234,567 */
export const whole = (value) => numbers({}).format(value);

/** 1,234 as it is, 1.2M where there is little room. */
export const short = (value, most = 99_999) =>
  value > most ? numbers({ notation: "compact", maximumFractionDigits: 1 }).format(value) : whole(value);

/** 0.42 -> 42.0%; what is hardly anything is not shown as nothing. */
export function share(value) {
  const small = value > 0 && value < 0.001;
  const told = numbers({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(small ? 0.001 : value);
  return small ? `<\u00a0${told}` : told;
}

/** 12.5 (percent) -> +12.5%; a change of many times is told without decimals. */
export const change = (percent) =>
  numbers({
    style: "percent",
    signDisplay: "exceptZero",
    maximumFractionDigits: Math.abs(percent) < 100 ? 1 : 0,
  }).format(percent / 100);

const dates = (options) => formatter(Intl.DateTimeFormat, { timeZone: "UTC", ...options });

/**
 * The API's local time ("2026-11-21" or "2026-11-21T14:00:00+01:00") as a Date whose UTC fields are
 * the local ones: the site's time zone is in the text already, the browser's is of no interest.
 */
export function local(start) {
  const wall = start.length > 10 ? start.slice(0, 16) : `${start}T00:00`;
  return new Date(`${wall}Z`);
}

/** "15 – 21 Nov" for two dates, "21 Nov" for one; with the year when there are two, or when told. */
export function days(from, to, withYear = from.slice(0, 4) !== to.slice(0, 4)) {
  const options = { day: "numeric", month: "short", ...(withYear && { year: "numeric" }) };
  return dates(options).formatRange(local(from), local(to));
}

const POINTS = {
  hourly: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  daily: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  weekly: { day: "numeric", month: "short", year: "numeric" },
  monthly: { month: "long", year: "numeric" },
};

/** A point of the chart in full. */
export function point(period, start) {
  const told = dates(POINTS[period]).format(local(start));
  return period === "weekly" ? text("weekOf", told) : told;
}

const TICKS = {
  hour: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day: { day: "numeric", month: "short" },
  month: { month: "short" },
  year: { month: "short", year: "numeric" },
};

/** A point of the chart on its axis. */
export const tick = (kind, start) => dates(TICKS[kind]).format(local(start));

/** Seconds since the epoch -> the time of day in the site's time zone. */
export function clock(seconds, timeZone) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  try {
    return formatter(Intl.DateTimeFormat, { ...options, timeZone }).format(seconds * 1000);
  } catch {
    return dates(options).format(seconds * 1000); // A time zone that the browser does not know.
  }
}

/** FR -> France. ZZ is what has no country. */
export function country(code) {
  if (code === "ZZ") return text("unknown");
  try {
    return formatter(Intl.DisplayNames, { type: "region" }).of(code) ?? code;
  } catch {
    return code; // No code at all: shown as it came.
  }
}

const SPECIAL = { "(direct)": "direct", "(other)": "other", "": "unknown" };
const DEVICES = ["mobile", "tablet", "desktop", "bot", "other"];

/** The name of an item in a table or a chip, by the filter that it belongs to. */
export function itemName(filter, name) {
  if (filter === "country") return country(name);
  if (filter === "device" && DEVICES.includes(name)) return text(`device_${name}`);
  if (filter === "source" && (name === "web" || name === "app")) return text(name);
  return Object.hasOwn(SPECIAL, name) ? text(SPECIAL[name]) : name;
}
