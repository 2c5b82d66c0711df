// Everything is put in as text (textContent), never as markup. The token stays in this page's memory.
"use strict";
const at = (id) => document.getElementById(id);
let token = "";

function row(cells) {
  const line = document.createElement("tr");
  for (const cell of cells) line.appendChild(document.createElement("td")).textContent = cell ?? "";
  return line;
}

async function get(path) {
  return fetch(path, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
}

async function refresh() {
  try {
    const { ready, reasons, warnings } = await (await get("/readyz")).json();
    at("state").textContent = ready ? "ready" : "not ready";
    at("state").className = ready ? "good" : "bad";
    at("reasons").replaceChildren(...[...reasons, ...warnings].map((reason) => {
      const item = document.createElement("li");
      item.textContent = `${reason.code}: ${reason.detail}`;
      return item;
    }));
    const answer = await get("/v1/sessions?limit=200");
    at("login").hidden = answer.status !== 401;
    at("figures").hidden = !answer.ok;
    if (!answer.ok) return;
    const { total, sessions } = await answer.json();
    at("count").textContent = `${total}`;
    at("sessions").replaceChildren(...sessions.map((s) => row([s.sessionId, s.shard, s.state, s.server, s.sequence, s.gaps])));
    const lines = (await (await get("/metrics")).text()).split("\n");
    const figures = lines.filter((line) => line.startsWith("chatbridge_") && !line.includes("_bucket"));
    at("metrics").replaceChildren(...figures.map((line) => {
      const cut = line.lastIndexOf(" ");
      return row([line.slice(0, cut), line.slice(cut + 1)]);
    }));
  } catch {
    at("state").textContent = "no answer";
    at("state").className = "bad";
  }
}

at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value;
  refresh();
});
refresh();
setInterval(refresh, 2000);
