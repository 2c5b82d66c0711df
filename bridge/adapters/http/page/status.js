// Asks for the report again and again, and takes what is typed and clicked. The token stays in this page's memory.
"use strict";
const REFRESH_MS = 5000;
const ROWS = 25;
const COLUMNS = [
  ["chat", "chat"], ["state", "state"], ["server", "server"], ["shard", "shard"],
  ["age", "age"], ["records", "records"], ["gaps", "gaps"],
];
const NUMBERS = new Set(["shard", "age", "records", "gaps"]);

const wanted = { search: "", state: "", sort: "state", order: "asc", offset: 0, limit: ROWS };
let token = "";
let stopped = false; // by an answer that asks for another token
let allProblems = false;
let latest = 0;
let timer = 0;

// --- asking -----------------------------------------------------------------------------------------------------------

async function get(path) {
  return fetch(path, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
}

// What can be told without the report.
async function showReadiness() {
  const { ready, reasons, warnings } = await (await fetch("/readyz")).json();
  const title = ready ? "Ready; without a token it is not known what it captures" : "Not ready";
  showHealth(ready ? "unknown" : "bad", title, reasons, warnings);
}

function askForToken(text, wrong) {
  stopped = true; // a wrong token is not sent again and again: after some the worker refuses the right one, too
  token = "";
  at("report").hidden = true;
  at("login").hidden = false;
  at("login-text").textContent = text;
  at("token").setAttribute("aria-invalid", wrong);
  if (wrong) {
    at("token").value = "";
    at("token").focus();
  }
}

async function refused(answer) {
  const given = token !== "";
  if (answer.status === 401) {
    askForToken(given ? "This token is wrong." : "This worker asks for a token: that of http.read_token_file or http.token_file.", given);
  } else if (answer.status === 403) {
    askForToken("This token has no right to read the status. Use that of http.read_token_file or http.token_file.", true);
  } else if (answer.status === 429) {
    askForToken(`Too many requests or wrong tokens: try again in ${answer.headers.get("Retry-After")} s.`, given);
  } else {
    throw new Error(`status ${answer.status}`);
  }
  await showReadiness();
}

async function refresh() {
  clearTimeout(timer);
  const asked = ++latest;
  try {
    if (stopped) {
      await showReadiness();
      at("updated").textContent = `as of ${clock(Date.now())}`;
    } else {
      const answer = await get(`/v1/status?${new URLSearchParams(wanted)}`);
      if (asked !== latest) return; // a newer question is on its way
      if (answer.ok) {
        const report = await answer.json();
        if (asked !== latest) return;
        at("login").hidden = true;
        at("report").hidden = false;
        wanted.offset = report.chats.offset;
        showReport(report, { allProblems });
      } else {
        await refused(answer);
      }
    }
  } catch {
    if (asked !== latest) return;
    showHealth("bad", "The worker does not answer", [], []);
  }
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

function changed(change) {
  Object.assign(wanted, { offset: 0 }, change);
  refresh();
}

// --- controls ---------------------------------------------------------------------------------------------------------

at("sorts").replaceChildren(...COLUMNS.map(([key, label]) => {
  const head = make("th", undefined, { scope: "col", role: "columnheader" });
  if (NUMBERS.has(key)) head.className = "number";
  const button = make("button", label, { type: "button", "data-sort": key });
  button.addEventListener("click", () => {
    const first = key === "gaps" || key === "records" || key === "age" ? "desc" : "asc";
    const other = wanted.order === "asc" ? "desc" : "asc";
    changed({ sort: key, order: wanted.sort === key ? other : first });
    markSort();
  });
  head.append(button);
  return head;
}));

function markSort() {
  for (const head of at("sorts").children) {
    const mine = head.firstChild.dataset.sort === wanted.sort;
    if (mine) head.setAttribute("aria-sort", wanted.order === "asc" ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
}

let typing = 0;
at("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => changed({ search: at("search").value }), 250);
});
at("chat-state").addEventListener("change", () => changed({ state: at("chat-state").value }));
at("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  changed({ search: at("search").value });
});
at("previous").addEventListener("click", () => changed({ offset: Math.max(wanted.offset - ROWS, 0) }));
at("next").addEventListener("click", () => changed({ offset: wanted.offset + ROWS }));
at("all-problems").addEventListener("click", () => {
  allProblems = !allProblems;
  refresh();
});
at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value;
  stopped = false;
  refresh();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer); // nobody looks: nothing is asked
  else refresh();
});
for (const table of document.querySelectorAll("table")) {
  table.setAttribute("role", "table"); // what is laid out as blocks on a narrow screen stays a table
  for (const group of table.querySelectorAll("thead, tbody")) group.setAttribute("role", "rowgroup");
  for (const row of table.querySelectorAll("thead tr")) row.setAttribute("role", "row");
  for (const head of table.querySelectorAll("th")) head.setAttribute("role", "columnheader");
}
markSort();
refresh();
