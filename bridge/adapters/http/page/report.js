// How a report looks. Everything is put in as text (textContent), never as markup.
"use strict";
const FEW_PROBLEMS = 6;
const CHAT_LEVELS = { joined: "ok", waiting: "warning", given_up: "bad", stored: "none", over: "none" };
const SHARD_LEVELS = { open: "ok", elsewhere: "ok", opening: "warning", closing: "warning", fenced: "bad", unowned: "bad", unknown: "none" };

const at = (id) => document.getElementById(id);

// --- elements ---------------------------------------------------------------------------------------------------------

function make(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function cell(content, { label, number } = {}) {
  const made = make("td", undefined, { role: "cell" });
  made.append(...[content ?? ""].flat());
  if (label) made.dataset.label = label;
  if (number) made.className = "number";
  return made;
}

function fill(body, rows, columns, none) {
  if (!rows.length) rows = [[make("td", none, { role: "cell", colspan: columns, class: "none" })]];
  at(body).replaceChildren(...rows.map((cells) => {
    const row = make("tr", undefined, { role: "row" });
    row.append(...cells);
    return row;
  }));
}

function state(text, level) {
  return make("span", text.replaceAll("_", " "), { class: "state", "data-level": level });
}

const under = (text) => make("span", text, { class: "under" });

// Text in which `words` are code.
function withCode(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", part) : part));
}

// --- numbers ----------------------------------------------------------------------------------------------------------

const whole = (value) => Math.round(value).toLocaleString("en-US");

function rate(value) {
  return value === null ? ["–", ""] : [value < 10 ? value.toFixed(1) : whole(value), "/s"];
}

function duration(seconds) {
  if (seconds === null) return ["–", ""];
  if (seconds < 0.9995) return [`${Math.round(seconds * 1000)}`, "ms"];
  if (seconds < 100) return [seconds.toFixed(1), "s"];
  return [span(seconds), ""];
}

function span(seconds) {
  const s = Math.max(Math.floor(seconds), 0);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, "0")} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

function moment(ms, now) {
  const time = make("time", now - ms < 86400e3 ? clock(ms) : new Date(ms).toLocaleString("en-GB"));
  time.dateTime = new Date(ms).toISOString();
  return [time, under(`${span((now - ms) / 1000)} ago`)];
}

// 0, 1, 2, 5 -> "0–2, 5"
function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}

// What has the same code is one, with several details: what to do is the same.
function byCode(told) {
  const found = new Map();
  for (const { code, detail, nextStep } of told) {
    if (!found.has(code)) found.set(code, { code, details: [], nextStep });
    found.get(code).details.push(detail);
  }
  return [...found.values()];
}

// --- parts of the page ------------------------------------------------------------------------------------------------

function showHealth(level, title, reasons, warnings) {
  at("health").dataset.level = level;
  if (at("state").textContent !== title) at("state").textContent = title; // said by screen readers when it changes
  document.title = `${title} – chatbridge`;
  const item = (kind) => ({ code, details, nextStep }) => {
    const made = make("li", undefined, { class: kind });
    made.append(make("code", code, { class: "code" }));
    if (details.length === 1) made.append(details[0]);
    else made.append(...details.map((detail) => make("span", detail, { class: "detail" })));
    if (nextStep) {
      const step = make("span", undefined, { class: "step" });
      step.append(make("b", "What to do: "), ...withCode(nextStep));
      made.append(step);
    }
    return made;
  };
  at("reasons").replaceChildren(...byCode(reasons).map(item("reason")), ...byCode(warnings).map(item("warning")));
}

function showIdentity(identity, now) {
  const versions = identity.clientVersions.join(", ") || "none in force";
  const entries = [
    ["worker", identity.worker], ["version", identity.version], ["host", identity.host], ["group", identity.group],
    ["site", identity.site || "–"], ["up for", span(identity.uptimeSeconds)],
    ["ClientVersion", `${versions} (asks for ${identity.declaredClientVersion})`],
  ];
  at("worker").textContent = identity.worker;
  at("updated").textContent = `as of ${clock(now)}`;
  at("identity").replaceChildren(...entries.map(([name, value]) => {
    const group = make("div");
    group.append(make("dt", name), make("dd", value));
    return group;
  }));
}

function sparkline(points) {
  const drawn = at("sparkline").content.firstElementChild.cloneNode(true);
  const most = Math.max(...points.map((point) => point ?? 0), 0) || 1;
  const first = 180 - points.length; // the newest one is at the right edge
  let line = "";
  let area = "";
  let from = null;
  points.forEach((point, index) => {
    if (point === null) {
      if (from !== null) area += `L${first + index - 1} 30Z`;
      from = null;
      return;
    }
    const place = `${first + index} ${(28 - (26 * point) / most).toFixed(1)}`;
    area += from === null ? `M${first + index} 30L${place}` : `L${place}`;
    line += from === null ? `M${place}` : `L${place}`;
    from ??= index;
  });
  if (from !== null) area += `L${first + points.length - 1} 30Z`;
  drawn.querySelector(".area").setAttribute("d", area);
  drawn.querySelector(".line").setAttribute("d", line);
  return drawn;
}

function showTiles(figures, history) {
  const p50 = duration(figures.commitP50Seconds).join(" ");
  const oldest = figures.oldestUncommittedSeconds;
  const stalled = figures.waiting > 0 && !figures.joined;
  const since = (number) => `${whole(number)} since the start`;
  const tiles = [
    ["events", rate(figures.eventsPerSecond), "over the last minute", history.eventsPerSecond],
    ["commit p99", duration(figures.commitP99Seconds), `p50 ${p50}`, history.commitP99Seconds],
    ["oldest uncommitted", oldest > 0 ? duration(oldest) : ["none", ""], "not ready beyond 30 s",
      history.oldestUncommittedSeconds, oldest > 30 ? "bad" : oldest > 5 ? "warning" : ""],
    ["chats joined", [whole(figures.joined), ""], `${whole(figures.givenUp)} given up, ${whole(figures.over)} over`,
      history.joined, stalled ? "bad" : ""],
    ["chats waiting", [whole(figures.waiting), ""], "to be joined", history.waiting, stalled ? "bad" : ""],
    ["gaps", [whole(figures.gaps), ""], since(figures.gapsSinceStart), history.gaps, figures.gaps ? "warning" : ""],
    ["rejoins", [whole(figures.rejoins), ""], since(figures.rejoinsSinceStart), history.rejoins],
    ["quarantined", [whole(figures.quarantined), ""], since(figures.quarantinedSinceStart), history.quarantined,
      figures.quarantined ? "warning" : ""],
  ];
  at("tiles-title").textContent = history.seconds < 890 ? `Last ${span(history.seconds)}` : "Last 15 minutes";
  at("tiles").replaceChildren(...tiles.map(([label, [value, unit], more, points, level]) => {
    const tile = make("li");
    if (level) tile.dataset.level = level;
    const shown = make("div", value, { class: "value" });
    if (unit) shown.append(make("small", unit));
    tile.append(make("div", label, { class: "label" }), shown, make("div", more, { class: "more" }), sparkline(points));
    return tile;
  }));
}

function showShards({ partitions, groupState, unknownBecause, askedSecondsAgo, rows }) {
  const groups = new Map(); // rows that differ only in their numbers are one
  for (const row of rows) {
    const key = JSON.stringify([!row.here, row.owner, row.state, row.detail]);
    if (!groups.has(key)) groups.set(key, { ...row, shards: [], chats: row.here ? 0 : null });
    groups.get(key).shards.push(row.shard);
    if (row.here) groups.get(key).chats += row.chats;
  }
  const asked = askedSecondsAgo === null ? "" : `, asked ${span(askedSecondsAgo)} ago`;
  const others = unknownBecause ? `others not known: ${unknownBecause}` : `group ${groupState.toLowerCase()}${asked}`;
  at("shards-note").textContent = `${partitions || "?"} in all; ${others}`;
  const shown = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => {
    const owner = one.owner ? [one.owner, under(one.here ? "this worker" : one.host)] : one.state === "unowned" ? "nobody" : "not known";
    return [
      cell(ranges(one.shards)),
      cell(one.detail ? [state(one.state, SHARD_LEVELS[one.state]), under(one.detail)] : state(one.state, SHARD_LEVELS[one.state])),
      cell(owner),
      cell(one.chats === null ? "–" : whole(one.chats), { number: true }),
    ];
  });
  fill("shards", shown, 4, "none yet");
}

function showServers({ total, rows }, now) {
  at("servers-note").textContent = total > rows.length ? `${rows.length} of ${total}` : "";
  fill("servers", rows.map((one) => {
    const name = [one.server];
    if (one.clientVersions.length) name.push(under(`ClientVersion ${one.clientVersions.join(", ")}`));
    if (one.lastError) {
      const { at: ms, code, detail } = one.lastError;
      name.push(under(`last error ${span((now - ms) / 1000)} ago: ${code}, ${detail}`));
    }
    return [cell(name), ...[one.links, one.joined, one.waiting].map((value) => cell(whole(value), { number: true }))];
  }), 4, "no server yet: none is known before a chat is announced");
}

function showChats({ total, matching, offset, limit, rows }, now) {
  at("chats-note").textContent = matching === total ? whole(total) : `${whole(matching)} of ${whole(total)}`;
  fill("chats", rows.map((one) => {
    const age = one.startedAt === null ? "–" : span((now - one.startedAt) / 1000);
    return [
      cell(make("code", one.sessionId)),
      cell(state(one.state, CHAT_LEVELS[one.state])),
      cell(one.server),
      cell(`${one.shard}`, { label: "shard", number: true }),
      cell(age, { label: "age", number: true }),
      cell(whole(one.records), { label: "records", number: true }),
      cell(whole(one.gaps), { label: "gaps", number: true }),
    ];
  }), 7, total ? "no chat is like that" : "no chats");
  at("page").textContent = matching ? `${whole(offset + 1)}–${whole(offset + rows.length)} of ${whole(matching)}` : "";
  at("previous").disabled = offset === 0;
  at("next").disabled = offset + limit >= matching;
  at("pages").hidden = matching <= limit;
}

function showProblems(problems, now, all) {
  const shown = all ? problems : problems.slice(0, FEW_PROBLEMS);
  at("all-problems").hidden = problems.length <= FEW_PROBLEMS;
  at("all-problems").setAttribute("aria-expanded", all);
  at("all-problems").textContent = all ? "Show fewer" : `Show all ${problems.length}`;
  fill("problems", shown.map((one) => [
    cell(one.standing ? [state("now", "bad"), under(`since ${span((now - one.firstAt) / 1000)}`)] : moment(one.lastAt, now)),
    cell(make("code", one.code)),
    cell(one.cause),
    cell(whole(one.times), { label: "times", number: true }),
  ]), 4, "none since the start");
}

// With `allProblems` there are more than the newest ones.
function showReport(report, { allProblems }) {
  const { health, now } = report;
  showHealth(health.level, health.title, health.reasons, health.warnings);
  showIdentity(report.identity, now);
  showTiles(report.figures, report.history);
  showShards(report.shards);
  showServers(report.servers, now);
  showChats(report.chats, now);
  showProblems(report.problems, now, allProblems);
}
