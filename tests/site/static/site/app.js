"use strict";

/** Says how long ago something was, in the words that the reader's language has for it. */
function ago(then, now = Date.now()) {
  const units = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["week", 604_800],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
    ["second", 1],
  ];
  const seconds = Math.round((then - now) / 1000);
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(
    Math.round(seconds / size),
    unit,
  );
}

function refresh() {
  for (const time of document.querySelectorAll("article time[datetime]")) {
    time.textContent = ago(Date.parse(time.dateTime));
    time.title = new Date(time.dateTime).toLocaleString();
  }
}

refresh();
setInterval(refresh, 60_000);
