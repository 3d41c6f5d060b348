// What is asked, kept in the address's fragment: a link can be shared, the back button works, and
// the names in it (pages, referrers) are in nobody's log, for a fragment is not sent.

/** What can be filtered by, in the order of the chips; the names are the API's. */
export const FILTERS = ["source", "country", "path", "referrer", "device", "browser", "os"];

/** Days up to today that are offered. Others work in a link. */
export const RANGES = [1, 7, 30, 90, 365];
const MOST_DAYS = 3660;

export const PERIODS = ["hourly", "daily", "weekly", "monthly"];

const PLAIN = { days: 30, period: null, site: null, filters: {} };

/** The periods that make a readable line for so many days: from 2 to about 750 points. */
export function periodsFor(days) {
  if (days === 1) return ["hourly"];
  if (days < 14) return ["hourly", "daily"];
  if (days <= 31) return ["hourly", "daily", "weekly"];
  if (days < 60) return ["daily", "weekly"];
  return days <= 750 ? ["daily", "weekly", "monthly"] : ["weekly", "monthly"];
}

/** The period that is drawn: the chosen one when it suits the days. */
export function periodOf({ days, period }) {
  if (periodsFor(days).includes(period)) return period;
  if (days === 1) return "hourly";
  if (days <= 120) return "daily";
  return days <= 750 ? "weekly" : "monthly";
}

/** Reads a fragment. Anything can stand there: what is not understood is left out. */
export function read(fragment) {
  const said = new URLSearchParams(fragment.replace(/^#/, ""));
  const days = Number(said.get("days"));
  const filters = {};
  for (const name of FILTERS) {
    const value = said.get(name);
    if (value) filters[name] = value;
  }
  return {
    days: Number.isInteger(days) && days >= 1 && days <= MOST_DAYS ? days : PLAIN.days,
    period: PERIODS.includes(said.get("period")) ? said.get("period") : null,
    site: said.get("site") || null,
    filters,
  };
}

/** The fragment for a state, with its `#`. What is as usual is left out. */
export function write(state) {
  const said = new URLSearchParams();
  if (state.days !== PLAIN.days) said.set("days", state.days);
  if (state.period) said.set("period", state.period);
  if (state.site) said.set("site", state.site);
  for (const name of FILTERS) if (state.filters[name]) said.set(name, state.filters[name]);
  return `#${said}`;
}

/** The state with one filter set, or removed when it has that value already. */
export function toggled(state, name, value) {
  const { [name]: before, ...filters } = state.filters;
  if (value !== null && before !== value) filters[name] = value;
  return { ...state, filters };
}

/** The state with nothing filtered. */
export const unfiltered = (state) => ({ ...state, filters: {} });

/** The parameters that every question has. */
export const question = ({ site, filters }) => ({ ...(site && { site }), ...filters });

/** The parameters of the chart: its length is told in its own unit. */
export function chartQuestion(state) {
  const period = periodOf(state);
  const length = {
    hourly: { days: state.days },
    daily: { days: state.days },
    weekly: { weeks: Math.ceil(state.days / 7) },
    monthly: { months: Math.max(1, Math.round(state.days / 30.4)) },
  };
  return { ...question(state), period, ...length[period] };
}
