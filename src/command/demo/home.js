"use strict";

const byId = (id) => document.getElementById(id);

// What parvis, or any proxy, tells the site about the request it passes on.
const fromProxy = /^(x-forwarded-|x-request-id$|x-real-ip$|forwarded$|via$|traceparent$)/;
// What every server sends; the rest of the answer's header is what is of interest here.
const ordinary = new Set(["date", "content-type", "content-length", "connection", "keep-alive"]);

function fill(body, fields, none) {
  const rows = fields.map(([name, value]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    const cell = document.createElement("td");
    head.scope = "row";
    head.textContent = name;
    cell.textContent = value;
    row.append(head, cell);
    return row;
  });
  if (rows.length === 0) {
    const row = document.createElement("tr");
    const cell = document.createElement("td");
    cell.colSpan = 2;
    cell.textContent = none;
    row.append(cell);
    rows.push(row);
  }
  body.replaceChildren(...rows);
}

async function echo() {
  const state = byId("request-state");
  state.hidden = true;
  try {
    const response = await fetch("/api/echo", { cache: "no-store" });
    if (!response.ok) {
      throw new Error("status " + response.status);
    }
    const received = (await response.json()).headers;
    const answered = Array.from(response.headers);
    fill(byId("received"), received.filter(([name]) => fromProxy.test(name)),
      "Nothing: no proxy stands in front of the site.");
    fill(byId("answered"), answered.filter(([name]) => !ordinary.has(name)), "Nothing.");
  } catch (error) {
    state.textContent = "The request failed: " + error.message;
    state.hidden = false;
  }
}

// Shows `output` empty, and gives back a function that adds to it, with the time since now.
function stopwatch(output) {
  const start = performance.now();
  output.textContent = "";
  output.hidden = false;
  return (text) => {
    const ms = String(Math.round(performance.now() - start)).padStart(5);
    output.textContent += ms + " ms  " + text.trimEnd() + "\n";
  };
}

async function readStream() {
  const button = byId("read-stream");
  const add = stopwatch(byId("stream-output"));
  button.disabled = true;
  try {
    const response = await fetch("/stream");
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      add(decoder.decode(value, { stream: true }));
    }
  } catch (error) {
    add(error.message);
  }
  button.disabled = false;
}

function readEvents() {
  const button = byId("read-events");
  const add = stopwatch(byId("events-output"));
  const source = new EventSource("/events");
  const end = () => {
    source.close();
    button.disabled = false;
  };
  button.disabled = true;
  source.onmessage = (message) => {
    const { event, of } = JSON.parse(message.data);
    add("Event " + event + " of " + of);
    if (event === of) {
      end();
    }
  };
  source.onerror = () => {
    // While it is connecting again there is nothing to say.
    if (source.readyState === EventSource.CLOSED) {
      add("The connection broke.");
      end();
    }
  };
}

for (const [id, action] of [["again", echo], ["read-stream", readStream], ["read-events", readEvents]]) {
  const button = byId(id);
  button.hidden = false;
  button.addEventListener("click", action);
}
echo();
