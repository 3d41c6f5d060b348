"use strict";

const byId = (id) => document.getElementById(id);
const enter = byId("enter");
const say = byId("say");
const text = byId("text");
const messages = byId("messages");
const state = byId("state");

// The window keeps this many lines.
const LINES = 500;
const LONGEST_PAUSE = 30000;

let socket = null;
let name = "";
let lastSeen = 0;
let pause = 1000;

function tell(line) {
  state.textContent = line;
  state.hidden = line === "";
}

function add(...parts) {
  const item = document.createElement("li");
  // Someone who reads further up is not torn away.
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 40;
  item.append(...parts);
  messages.append(item);
  while (messages.childElementCount > LINES) {
    messages.firstElementChild.remove();
  }
  if (atEnd) {
    messages.scrollTop = messages.scrollHeight;
  }
  return item;
}

function addMessage(message) {
  // After a new connection the last messages come once more.
  if (message.id <= lastSeen) {
    return;
  }
  lastSeen = message.id;
  const when = new Date(message.unix_ms);
  const time = document.createElement("time");
  time.dateTime = when.toISOString();
  time.textContent = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const who = document.createElement("b");
  const isolated = document.createElement("bdi");
  isolated.textContent = message.name;
  who.append(isolated);
  add(time, who, message.text);
}

function showUsers(users) {
  byId("users").replaceChildren(...users.map((user) => {
    const item = document.createElement("li");
    const isolated = document.createElement("bdi");
    isolated.textContent = user;
    item.append(isolated);
    return item;
  }));
}

function receive(frame) {
  switch (frame.type) {
    case "message":
      addMessage(frame);
      break;
    case "join":
      showUsers(frame.users);
      add(frame.name + " came in").className = "event";
      break;
    case "leave":
      showUsers(frame.users);
      add(frame.name + " left").className = "event";
      break;
    case "missed":
      add(frame.count + " lines were missed: this connection was too slow").className = "event";
      break;
    case "error":
      tell("Not sent: " + frame.error + ".");
      break;
  }
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const path = "/ws/chat?name=" + encodeURIComponent(name);
  let opened = false;
  tell("Connecting.");
  socket = new WebSocket(scheme + "//" + location.host + path);
  socket.onopen = () => {
    opened = true;
    pause = 1000;
    tell("");
    enter.hidden = true;
    byId("room").hidden = false;
    text.focus();
  };
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = (event) => {
    const why = event.reason || (opened ? "The connection broke" : "The room cannot be reached, or is full");
    tell(why + ". Trying again in " + Math.round(pause / 1000) + " s.");
    showUsers([]);
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
}

function come(as) {
  name = as.trim();
  if (name !== "" && socket === null) {
    connect();
  }
}

enter.addEventListener("submit", (event) => {
  event.preventDefault();
  come(byId("name").value);
});

say.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) {
    return;
  }
  tell("");
  socket.send(JSON.stringify({ text: text.value }));
  text.value = "";
});

come(new URLSearchParams(location.search).get("name") || "");
