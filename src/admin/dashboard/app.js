// The dashboard of guest visits: what is asked when, and what is shown when there is no answer.
//
// For tests: <html data-state> is "loading", "ready", "empty", "token" or "trouble"; data-loads
// counts the times that everything was shown, data-polls those of the live counter. Each number is
// in data-value beside its name in data-number (today-views, days-30-guests, live-guests,
// chart-views, today-web-guests, today-views-change ...). Rows of tables: [data-table="pages"]
// tr[data-name][data-views][data-guests]. Lands: [data-country][data-views][data-guests]. The
// chart's points: #points tr[data-start], once #chart-details is open.

import { token } from "./api.js";
import * as chart from "./chart.js";
import { byId, element, kept } from "./dom.js";
import * as format from "./format.js";
import * as map from "./map.js";
import * as numbers from "./numbers.js";
import * as state from "./state.js";
import { chooseLanguage, language, text, translate } from "./strings.js";
import { tables } from "./tables.js";

// Below the five seconds after which the admin interface closes a connection that is idle.
const POLL = 4_000;
const RELOAD = 60_000;
const LONGEST_WAIT = 30_000;

const root = document.documentElement;
const storage = kept("localStorage");
const parts = [numbers, chart, map, ...tables(trouble)];
const answers = new Map(); // part -> what it shows, to say it again in another language

let asked = state.read(location.hash);
let waiting = new AbortController(); // for the question in force: aborted when it changes
let timer = 0;
let wait = POLL;
let loaded = 0; // when everything was shown last, milliseconds

/** Asks all again because the question is another one. Answers to the one before are dropped. */
function ask() {
  waiting.abort();
  waiting = new AbortController();
  wait = POLL;
  root.dataset.state = "loading";
  load(parts, waiting.signal);
}

async function load(which, signal) {
  clearTimeout(timer);
  const question = asked;
  const one = async (part) => {
    const answer = await part.load(question, signal);
    if (signal.aborted) return;
    answers.set(part, answer);
    part.show(answer, question, signal);
  };
  try {
    // The first question alone finds out whether a token is needed.
    if (!loaded) await one(numbers);
    const rest = loaded ? which : which.filter((part) => part !== numbers);
    const results = await Promise.allSettled(rest.map(one));
    const failed = results.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
  } catch (error) {
    if (!signal.aborted) trouble(error);
    return;
  }
  if (signal.aborted) return;

  wait = POLL;
  const overview = answers.get(numbers);
  const { views, partials } = overview.all_time;
  const empty = !views && !partials && !asked.site && !Object.keys(asked.filters).length;
  // The first visit has come: the tables have not been asked for it.
  if (root.dataset.state === "empty" && !empty && which !== parts) return ask();
  sites(overview.sites);
  byId("trouble").hidden = true;
  byId("token").hidden = true;
  byId("forget").hidden = !token.get();
  byId("empty").hidden = !empty;
  byId("all").hidden = empty;
  if (which === parts) {
    loaded = Date.now();
    root.dataset.loads = Number(root.dataset.loads ?? 0) + 1;
    if (!empty) chart.redraw(); // It may have been drawn while it was hidden, without a width.
  }
  root.dataset.polls = Number(root.dataset.polls ?? 0) + 1;
  root.dataset.state = empty ? "empty" : "ready";
  again(POLL);
}

// The next question, unless nobody looks: then none until somebody does.
function again(after) {
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(() => {
    load(Date.now() - loaded >= RELOAD ? parts : [numbers], waiting.signal);
  }, after);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden && root.dataset.state !== "token") again(0);
});

/** Says what is wrong, and tries again by itself when that may help. */
function trouble(error) {
  if (error.status === 401) return wantToken();
  const bad = error.status === 400 || error.status === 404;
  const why = error.status === undefined ? String(error) : error.message;
  byId("trouble-title").textContent = text(bad ? "badTitle" : "troubleTitle");
  byId("trouble-text").textContent = [
    error.allowed && why ? text("badAllowed", why, error.allowed) : why.replace(/[^.!?]$/, "$&."),
    why ? "" : error.status ? text("troubleStatus", error.status) : text("troubleNobody"),
    !bad && loaded ? text("troubleStale") : "",
  ]
    .filter(Boolean)
    .join(" ");
  byId("plain").hidden = !Object.keys(asked.filters).length && !asked.site;
  byId("plain").href = state.write({ ...state.unfiltered(asked), site: null });
  byId("trouble").hidden = false;
  byId("all").hidden = !loaded;
  byId("live").hidden = true;
  root.dataset.state = "trouble";
  loaded &&= 1; // What comes next is asked in whole: any part may be missing.
  if (bad) return clearTimeout(timer);
  wait = Math.min(wait * 2, LONGEST_WAIT);
  retry();
}

function retry() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(() => load(parts, waiting.signal), wait);
}

function wantToken() {
  clearTimeout(timer);
  waiting.abort();
  const wrong = token.get() !== null;
  token.forget();
  byId("token-wrong").textContent = wrong ? text("tokenWrong") : "";
  byId("token").hidden = false;
  byId("all").hidden = true;
  byId("empty").hidden = true;
  byId("trouble").hidden = true;
  byId("live").hidden = true;
  byId("forget").hidden = true;
  root.dataset.state = "token";
  byId("token-value").focus();
}

byId("token").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = byId("token-value").value.trim();
  byId("token-value").value = "";
  if (!value) return;
  token.set(value);
  ask();
});
byId("forget").addEventListener("click", () => {
  token.forget();
  ask();
});
byId("again").addEventListener("click", ask);

// ---- What is asked: range, source, period, site, and the chips

function controls() {
  const days = state.RANGES.includes(asked.days) ? state.RANGES : [...state.RANGES, asked.days].sort((a, b) => a - b);
  const range = (each) =>
    state.RANGES.includes(each) ? text(`range_${each}`) : text("range_other", format.whole(each));
  links("range", days, (each) => [range(each), { ...asked, days: each }, each === asked.days]);

  const { source, ...others } = asked.filters;
  links("source", [undefined, "web", "app"], (each) => [
    text(each ?? "all"),
    { ...asked, filters: each ? { ...others, source: each } : others },
    each === source,
  ]);

  const drawn = state.periodOf(asked);
  byId("period").hidden = state.periodsFor(asked.days).length < 2;
  links("period", state.periodsFor(asked.days), (each) => [
    text(`period_${each}`),
    { ...asked, period: each },
    each === drawn,
  ]);

  const chips = state.FILTERS.filter((name) => name !== "source" && asked.filters[name]).map((name) => {
    const value = format.itemName(name, asked.filters[name]).slice(0, 300);
    return element(
      "li",
      { data: { filter: name, name: asked.filters[name] } },
      element(
        "a",
        {
          class: "chip",
          href: state.write(state.toggled(asked, name, null)),
          title: value,
          "aria-label": text("unfilter", `${text(name)}: ${value}`),
        },
        element("span", { class: "quiet" }, text(name)),
        " ",
        element("bdi", {}, value),
        element("span", { class: "cross", "aria-hidden": "true" }, "×"),
      ),
    );
  });
  if (chips.length > 1) {
    const all = { href: state.write(state.unfiltered(asked)), class: "chip-all", id: "clear-all" };
    chips.push(element("li", {}, element("a", all, text("clearAll"))));
  }
  byId("chips").replaceChildren(...chips);
}

// Links, not buttons: each is a question with an address of its own.
function links(id, values, told) {
  const group = byId(id);
  const focused = [...group.children].indexOf(document.activeElement);
  group.replaceChildren(
    ...values.map((value) => {
      const [label, next, on] = told(value);
      return element("a", { href: state.write(next), "aria-current": on ? "true" : null, data: { value: value ?? "" } }, label);
    }),
  );
  if (focused >= 0) group.children[Math.min(focused, values.length - 1)].focus();
}

// The sites that record visits, when there is a choice.
function sites(names = []) {
  const all = asked.site && !names.includes(asked.site) ? [asked.site, ...names] : names;
  byId("site-field").hidden = all.length < 2 && !asked.site;
  const key = JSON.stringify([all, language()]);
  const select = byId("site");
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(
      element("option", { value: "" }, text("allSites")),
      ...all.map((name) => element("option", { value: name }, name)),
    );
  }
  select.value = asked.site ?? "";
}

byId("site").addEventListener("change", ({ target }) => {
  location.hash = state.write({ ...asked, site: target.value || null });
});

byId("skip").addEventListener("click", (event) => {
  // The fragment is the question: it must not become "content".
  event.preventDefault();
  byId("content").focus();
});

window.addEventListener("hashchange", () => {
  asked = state.read(location.hash);
  controls();
  ask();
});

// ---- Language and colours

function say() {
  translate(document);
  for (const button of byId("language").children) {
    button.setAttribute("aria-pressed", button.dataset.language === language());
  }
  byId("empty-settings").textContent = `${text("emptyFile")}\n[[site]]\nvisits = true`;
  sayTheme();
  controls();
  if (root.dataset.state !== "ready") return;
  sites(answers.get(numbers)?.sites);
  for (const part of parts) {
    if (answers.has(part)) part.show(answers.get(part), asked, waiting.signal);
  }
}

byId("language").addEventListener("click", ({ target }) => {
  if (!target.dataset.language) return;
  chooseLanguage(target.dataset.language);
  say();
  // What is wrong was said in the other language; asking says it again.
  if (root.dataset.state === "trouble") ask();
});

const THEMES = ["system", "light", "dark"];
const theme = () => root.dataset.theme ?? "system";

function sayTheme() {
  byId("theme").setAttribute("aria-label", text(`theme_${theme()}`));
  byId("theme").title = text(`theme_${theme()}`);
}

byId("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "system") {
    delete root.dataset.theme;
    storage.remove("parvis-theme");
  } else {
    root.dataset.theme = next;
    storage.set("parvis-theme", next);
  }
  sayTheme();
  chart.redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", chart.redraw);

chart.begin();
say();
ask();
