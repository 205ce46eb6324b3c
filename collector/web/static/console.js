// What the console does in the browser: hears which incident changed and asks
// for its fragments, counts ages and due times on, draws charts. No page needs
// it to be read or acted on.
"use strict";
(() => {
  const [day, hour, minute, second, ago, left, overdue] = (document.documentElement.dataset.units || "").split("|");

  // words returns the two largest units of a number of seconds.
  function words(seconds) {
    const units = [[86400, day], [3600, hour], [60, minute], [1, second]];
    let s = Math.max(0, Math.round(seconds));
    for (let i = 0; i < units.length; i++) {
      const [size, name] = units[i];
      if (s < size && size > 1) continue;
      let out = Math.floor(s / size) + " " + name;
      s %= size;
      if (i + 1 < units.length && s >= units[i + 1][0]) out += " " + Math.floor(s / units[i + 1][0]) + " " + units[i + 1][1];
      return out;
    }
  }

  function count() {
    const now = Date.now();
    for (const el of document.querySelectorAll("[data-since]"))
      el.textContent = ago.replace("%s", words((now - Date.parse(el.dataset.since)) / 1000));
    for (const el of document.querySelectorAll("[data-due]")) {
      const s = (Date.parse(el.dataset.due) - now) / 1000;
      el.textContent = (s >= 0 ? left : overdue).replace("%s", words(Math.abs(s)));
      el.classList.toggle("bad", s < 0);
    }
  }

  // refresh asks for the live fragments that show the incident; an empty id
  // means that anything may have changed.
  const waiting = new Map();
  function refresh(id) {
    for (const el of document.querySelectorAll("[data-live]")) {
      if (id && el.dataset.incident && el.dataset.incident !== id) continue;
      if (waiting.has(el)) continue;
      waiting.set(el, setTimeout(() => {
        waiting.delete(el);
        const typed = el.querySelector("textarea");
        if ("keepTyped" in el.dataset && typed && (typed.value || typed === document.activeElement)) return;
        htmx.trigger(el, "live");
      }, 300));
    }
  }

  function listen(state) {
    const show = (on) => {
      state.textContent = (on ? "● " : "○ ") + (on ? state.dataset.connected : state.dataset.lost);
      state.classList.toggle("off", !on);
    };
    let lost = false;
    const stream = new EventSource(state.dataset.stream);
    stream.onopen = () => { show(true); if (lost) refresh(""); lost = false; };
    stream.onerror = () => {
      lost = true;
      show(false);
    };
    stream.addEventListener("change", (e) => refresh(JSON.parse(e.data).id));
    return stream;
  }

  // centre scrolls a process diagram to its present step.
  async function centre(img) {
    const answer = await fetch(img.src);
    if (!answer.ok) return;
    const svg = await answer.text();
    const width = svg.match(/viewBox="0 0 ([\d.]+)/), box = svg.match(/<g class="[^"]*\bnow\b[^]*?class="box" x="([\d.]+)"[^>]*? width="([\d.]+)"/);
    if (!box || !width) return;
    const middle = (Number(box[1]) + Number(box[2]) / 2) / Number(width[1]);
    img.parentElement.scrollLeft = middle * img.clientWidth - img.parentElement.clientWidth / 2;
  }
  function diagrams() {
    for (const img of document.querySelectorAll(".diagram img"))
      if (img.complete) centre(img); else img.addEventListener("load", () => centre(img), { once: true });
  }
  document.addEventListener("htmx:afterSettle", diagrams);
  diagrams();

  const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4]];
  const plots = new Map();

  function colours() {
    const v = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return { ink: v("--muted"), grid: v("--line"), lines: [v("--link"), v("--bad"), v("--ok"), v("--warn"), v("--ink")] };
  }

  // marks draws the moments people look for, each with its word.
  function marks(list, ink) {
    return (u) => {
      const { ctx, bbox } = u, px = devicePixelRatio;
      ctx.save();
      ctx.font = 11 * px + "px system-ui, sans-serif";
      ctx.strokeStyle = ctx.fillStyle = ink;
      ctx.textAlign = "left";
      ctx.textBaseline = "alphabetic";
      ctx.setLineDash([3 * px, 3 * px]);
      list.forEach((m, n) => {
        const x = u.valToPos(m.at, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) return;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        const width = ctx.measureText(m.title).width, after = n + 1 < list.length ? u.valToPos(list[n + 1].at, "x", true) : Infinity;
        const before = x + width + 6 * px > Math.min(after, bbox.left + bbox.width);
        ctx.fillText(m.title, before ? x - width - 3 * px : x + 3 * px, bbox.top + (11 + 12 * (n % 3)) * px);
      });
      ctx.restore();
    };
  }

  function draw(figure, data) {
    const box = figure.querySelector(".plot");
    if (plots.has(figure)) { plots.get(figure).destroy(); plots.delete(figure); }
    box.replaceChildren();
    if (!data.series.length) {
      const p = document.createElement("p");
      p.className = "muted";
      p.textContent = data.empty;
      box.append(p);
      return;
    }
    const c = colours();
    const axis = { stroke: c.ink, grid: { stroke: c.grid, width: 1 }, ticks: { stroke: c.grid, width: 1 }, font: "11px system-ui, sans-serif" };
    const date = (t) => uPlot.tzDate(new Date(t * 1e3), data.zone);
    const clock = uPlot.fmtDate("{HH}:{mm}"), moment = uPlot.fmtDate("{MM}-{DD} {HH}:{mm}:{ss}");
    const round = (u, v) => (v == null ? "–" : +v.toPrecision(4) + " " + data.unit);
    const options = {
      width: Math.max(240, box.clientWidth), height: 170, tzDate: date,
      scales: { y: { range: (u, lo, hi) => [data.low ?? lo - (hi - lo || 1) * 0.1, Math.max(data.high ?? -Infinity, hi + (hi - (data.low ?? lo) || 1) * 0.1)] } },
      axes: [{ ...axis, values: (u, ts) => ts.map((t) => clock(date(t))) }, { ...axis, size: 46 }],
      series: [{ label: data.clock, value: (u, t) => (t == null ? "–" : moment(date(t))) }, ...data.series.map((s, n) => ({
        label: s.name || data.title, stroke: c.lines[n % c.lines.length], dash: dashes[n % dashes.length], width: 1.5, points: { show: false }, value: round, spanGaps: false,
      }))],
      hooks: { draw: [marks(data.marks, c.ink)] },
    };
    plots.set(figure, new uPlot(options, [data.times, ...data.series.map((s) => s.values)], box));
    if (data.more) {
      const p = document.createElement("p");
      p.className = "muted";
      p.textContent = data.more;
      box.append(p);
    }
  }

  async function load(figure) {
    if (document.hidden && plots.has(figure)) return;
    try {
      const answer = await fetch(figure.dataset.chart, { headers: { Accept: "application/json" } });
      if (answer.ok && !answer.redirected) draw(figure, await answer.json());
    } catch { /* the live state says that the collector cannot be reached */ }
  }

  for (const figure of document.querySelectorAll("[data-chart]")) {
    load(figure);
    if (figure.dataset.refresh) setInterval(load, 1000 * figure.dataset.refresh, figure);
  }
  let resized;
  addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(() => plots.forEach((u, figure) => u.setSize({ width: Math.max(240, figure.querySelector(".plot").clientWidth), height: 170 })), 200);
  });

  // The menu is a <details>: without scripts it opens and closes by its name alone.
  const more = document.querySelector(".top .more");
  if (more) {
    addEventListener("click", (e) => { if (!more.contains(e.target)) more.open = false; });
    more.addEventListener("keydown", (e) => {
      if (e.key !== "Escape") return;
      more.open = false;
      more.querySelector("summary").focus();
    });
  }

  // A page nobody looks at gives its connection back: browsers have few of them.
  const state = document.getElementById("live-state");
  let stream = state && !document.hidden ? listen(state) : null;
  if (state) {
    document.addEventListener("visibilitychange", () => {
      if (stream) stream.close();
      stream = document.hidden ? null : listen(state);
      if (stream) refresh("");
    });
    setInterval(() => { if (stream && stream.readyState === EventSource.CLOSED) stream = listen(state); }, 10000);
    addEventListener("pagehide", () => stream && stream.close());
    addEventListener("pageshow", (e) => { if (e.persisted) stream = listen(state); });
  }
  count();
  setInterval(count, 1000);
})();
