"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (index) => style(`--line-${(index % 8) + 1}`);
  const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
  const dash = (index) => dashes[Math.floor(index / 8) % dashes.length];
  const sync = uPlot.sync("time");
  const plots = [];

  const digits = (value) => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size >= 100) return Math.round(value).toLocaleString("en");
    return String(Number(value.toPrecision(3)));
  };
  const latency = (millis) => {
    if (millis === null || millis === undefined) return "–";
    if (millis >= 1000) return `${digits(millis / 1000)} s`;
    return millis >= 1 ? `${digits(millis)} ms` : `${digits(millis * 1000)} µs`;
  };
  const clock = (seconds) => {
    const whole = Math.floor(Math.abs(seconds));
    const two = (value) => String(value).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const rest = `${hours ? two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)}:${two(whole % 60)}`;
    return (seconds < 0 ? "−" : "") + (hours ? `${hours}:${rest}` : rest);
  };
  const decade = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6;
  const nines = (share) => {
    if (share <= 1) return "0 %";
    const lost = 100 / share;
    const places = Math.max(0, Math.ceil(-Math.log10(lost) - 1e-9));
    return `${(100 - lost).toFixed(decade(share) ? places : places + 1)} %`;
  };

  // A log axis needs two decades' ends; a scale from nothing to nothing is none.
  const decades = (least, most) => {
    if (!(most > 0)) return [0.1, 10];
    const low = 10 ** Math.floor(Math.log10(Math.max(least, 1e-3)) + 1e-9);
    const high = 10 ** Math.ceil(Math.log10(most) - 1e-9);
    return [low, high > low ? high : low * 10];
  };

  // All of the run, also where a line begins later, until somebody zooms.
  const whole = (x) => (u, from, to) =>
    from <= x[0] && to >= x[x.length - 1] ? [0, data.seconds] : [from, to];

  function bands() {
    const band = (u, from, to, fill, least) => {
      const left = Math.max(u.bbox.left, u.valToPos(from, "x", true));
      const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(to, "x", true));
      if (right < left) return;
      u.ctx.fillStyle = fill;
      u.ctx.fillRect(left, u.bbox.top, Math.max(least * uPlot.pxRatio, right - left), u.bbox.height);
    };
    const label = (u, text, left, right, y, ink) => {
      const ratio = uPlot.pxRatio;
      u.ctx.font = `${11 * ratio}px system-ui, sans-serif`;
      u.ctx.fillStyle = ink;
      u.ctx.textAlign = "left";
      u.ctx.textBaseline = "top";
      const room = right - left - 6 * ratio;
      let shown = text;
      while (shown && u.ctx.measureText(shown).width > room) shown = shown.slice(0, -1);
      if (shown.length < text.length) shown = shown.length > 4 ? `${shown.slice(0, -1)}…` : "";
      u.ctx.fillText(shown, left + 3 * ratio, y);
    };
    return {
      under: (u) => {
        u.ctx.save();
        data.phases.forEach((one, index) => {
          if (index % 2) band(u, one.from, one.to, style("--phase"), 1);
        });
        // A kill takes no time, and is to be seen.
        data.faults.forEach((one) => band(u, one.from, one.to, style("--fault"), 5));
        u.ctx.restore();
      },
      over: (u) => {
        u.ctx.save();
        const ratio = uPlot.pxRatio;
        const all = [[data.phases, 32, style("--muted")], [data.faults, 17, style("--fault-ink")]];
        for (const [list, row, ink] of all) {
          list.forEach((one, index) => {
            const place = (value) => u.valToPos(value, "x", true);
            const left = Math.max(u.bbox.left, place(one.from));
            // A fault is short: its name may run on to the next one's beginning.
            const until = list === data.faults ? (list[index + 1]?.from ?? data.seconds) : one.to;
            const right = Math.min(u.bbox.left + u.bbox.width, place(until));
            if (right > left) label(u, one.name, left, right, u.bbox.top - row * ratio, ink);
          });
        }
        u.ctx.restore();
      },
    };
  }

  const axis = (more) => ({
    stroke: () => style("--muted"),
    grid: { stroke: () => style("--grid"), width: 1 },
    ticks: { stroke: () => style("--grid"), width: 1, size: 5 },
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    ...more,
  });

  function plot(host, options, values) {
    const height = Number(host.dataset.height) || 260;
    const width = () => Math.max(240, host.clientWidth);
    host.replaceChildren();
    const made = new uPlot({ width: width(), height, ...options }, values, host);
    plots.push({ made, host, fit: () => made.setSize({ width: width(), height }) });
    return made;
  }

  function overTime(host, lines, x, { value, label, log = false, hooks = {} }) {
    const most = Math.max(0, ...lines.flatMap((line) => line.y.filter((one) => one !== null)));
    const many = lines.length > 5;
    const drawn = bands();
    return plot(host, {
      padding: [data.faults.length || data.phases.length ? 36 : 12, 12, 0, 0],
      scales: {
        x: { time: false, range: whole(x) },
        y: log ? { distr: 3, range: (u, least, top) => decades(least, top) }
               : { range: () => [0, most > 0 ? most * 1.08 : 1] },
      },
      cursor: { sync: { key: sync.key, scales: ["x", null] }, focus: { prox: many ? 24 : -1 } },
      focus: { alpha: 0.35 },
      legend: { live: true },
      axes: [
        axis({ values: (u, splits) => splits.map(clock), space: 60 }),
        axis({ values: (u, splits) => splits.map(digits), label, labelSize: 18, size: 54 }),
      ],
      series: [
        { label: "time", value: (u, one) => (one === null ? "–" : clock(one)) },
        ...lines.map((line, index) => ({
          label: line.name,
          stroke: () => (line.colour ? style(line.colour) : colour(index)),
          width: 1.75,
          dash: line.dash ?? dash(index),
          fill: line.fill ? () => style(line.fill) : undefined,
          points: { show: x.length < 3 },
          spanGaps: false,
          value: (u, one) => value(one),
        })),
      ],
      hooks: { drawClear: [drawn.under], draw: [drawn.over], ...hooks },
    }, [x, ...lines.map((line) => line.y)]);
  }

  function percentiles(host, view) {
    const xs = [...new Set(view.curves.flatMap((one) => one.points.map((point) => point[0])))]
      .sort((a, b) => a - b);
    if (!xs.length) return nothing(host, "No call was recorded.");
    const lines = view.curves.map((one) => {
      const at = new Map(one.points);
      return xs.map((x) => at.get(x) ?? null);
    });
    const top = Math.max(10, xs[xs.length - 1]);
    return plot(host, {
      scales: {
        x: { time: false, distr: 3, range: () => [1, top] },
        y: { distr: 3, range: (u, least, most) => decades(least, most) },
      },
      padding: [12, 18, 0, 0],
      axes: [
        axis({ values: (u, all) => all.map((one) => (decade(one) ? nines(one) : null)),
               filter: (u, all) => all, label: "share of calls that were faster", labelSize: 18 }),
        axis({ values: (u, all) => all.map((one) => (decade(one) ? latency(one) : null)),
               filter: (u, all) => all, size: 62 }),
      ],
      series: [
        { label: "percentile", value: (u, one) => (one === null ? "–" : nines(one)) },
        ...view.curves.map((one, index) => ({
          label: one.name, stroke: () => colour(index), width: 2, dash: index ? [7, 4] : [],
          spanGaps: true, points: { show: false }, value: (u, value) => latency(value),
        })),
      ],
    }, [xs, ...lines]);
  }

  function heat(host, view) {
    const { step, cells } = view.heat;
    if (!cells.length) return nothing(host, "No call was recorded.");
    const rows = cells.map((one) => one[1]);
    const low = Math.min(...rows), high = Math.max(...rows) + 1;
    const most = Math.max(...cells.map((one) => one[2]));
    const at = new Map(cells.map((one) => [`${one[0]}/${one[1]}`, one[2]]));
    const millis = (row) => 10 ** (row / 10);
    const shades = Array.from({ length: 9 }, (_, index) => `--heat-${index}`);
    const drawn = bands();
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    const x = [0, data.seconds];
    const made = plot(host, {
      padding: [data.faults.length || data.phases.length ? 36 : 12, 12, 0, 0],
      scales: {
        x: { time: false, range: whole(x) },
        y: { distr: 3, range: () => [millis(low), millis(high)] },
      },
      cursor: { sync: { key: sync.key, scales: ["x", null] }, points: { show: false },
                drag: { x: true, y: false } },
      legend: { show: false },
      axes: [
        axis({ values: (u, all) => all.map(clock), space: 60 }),
        axis({ values: (u, all) => all.map((one) => (decade(one) ? latency(one) : null)),
               filter: (u, all) => all, size: 62, grid: { show: false } }),
      ],
      series: [{}, { stroke: "transparent", points: { show: false } }],
      hooks: {
        drawClear: [(u) => {
          drawn.under(u);
          u.ctx.save();
          u.ctx.beginPath();
          u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
          u.ctx.clip();
          const ink = shades.map(style);
          for (const [column, row, count] of cells) {
            const share = most > 1 ? Math.log(count) / Math.log(most) : 0;
            const left = Math.round(u.valToPos(column * step, "x", true));
            const right = Math.round(u.valToPos((column + 1) * step, "x", true));
            const top = Math.round(u.valToPos(millis(row + 1), "y", true));
            const bottom = Math.round(u.valToPos(millis(row), "y", true));
            u.ctx.fillStyle = ink[Math.round(share * (ink.length - 1))];
            u.ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
          }
          u.ctx.restore();
        }],
        draw: [(u) => {
          drawn.over(u);
          u.ctx.save();
          u.ctx.strokeStyle = style("--fault-ink");
          u.ctx.setLineDash([3 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
          for (const one of data.faults) {
            for (const edge of [one.from, one.to]) {
              const place = Math.round(u.valToPos(edge, "x", true)) + 0.5;
              u.ctx.beginPath();
              u.ctx.moveTo(place, u.bbox.top);
              u.ctx.lineTo(place, u.bbox.top + u.bbox.height);
              u.ctx.stroke();
            }
          }
          u.ctx.restore();
        }],
        setCursor: [(u) => {
          const { left, top } = u.cursor;
          if (left < 0 || top < 0) { tip.hidden = true; return; }
          const column = Math.floor(u.posToVal(left, "x") / step);
          const row = Math.floor(Math.log10(u.posToVal(top, "y")) * 10);
          const count = at.get(`${column}/${row}`) ?? 0;
          tip.textContent = `${clock(column * step)} · ${latency(millis(row))} to ` +
            `${latency(millis(row + 1))} · ${count.toLocaleString("en")} ${count === 1 ? "call" : "calls"}`;
          tip.hidden = false;
          const room = u.over.clientWidth - tip.offsetWidth;
          tip.style.left = `${Math.max(0, Math.min(room, left + 12))}px`;
          tip.style.top = `${top > 40 ? top - 34 : top + 14}px`;
        }],
      },
    }, [x, [millis(low), millis(high)]]);
    made.over.append(tip);
    key(host, most);
    return made;
  }

  function key(host, most) {
    const line = document.createElement("p");
    line.className = "key";
    line.append("1 call ");
    for (let index = 0; index < (most > 1 ? 9 : 1); index += 1) {
      const box = document.createElement("i");
      box.className = `heat-${index}`;
      line.append(box);
    }
    if (most > 1) line.append(` ${most.toLocaleString("en")} calls (log scale)`);
    host.append(line);
  }

  function nothing(host, words) {
    const line = document.createElement("p");
    line.className = "nothing";
    line.textContent = words;
    host.replaceChildren(line);
  }

  function rates(host, views) {
    const own = views.filter((view) => view.rates).map((view) => view.rates);
    if (!own.length) return nothing(host, "Effects have no intended rate.");
    const sum = (name) => own[0].x.map((_, index) =>
      own.reduce((total, one) => total + one[name][index], 0));
    const lines = [
      { name: "intended", y: sum("intended"), colour: "--muted", dash: [6, 4] },
      { name: "ok", y: sum("ok"), colour: "--line-1", fill: "--line-1-soft", dash: [] },
      { name: "failed", y: sum("failed"), colour: "--line-2", dash: [] },
      { name: "unknown", y: sum("unknown"), colour: "--line-4", dash: [2, 3] },
    ];
    return overTime(host, lines, own[0].x, { value: (one) => `${digits(one)}/s`, label: "calls a second" });
  }

  function table(host, given, value, label, words) {
    if (!given.x.length) return nothing(host, words);
    return overTime(host, given.lines, given.x, { value, label });
  }

  const find = (name) => document.querySelector(`[data-plot="${name}"]`);
  const choice = document.getElementById("choice");
  const chosen = () => Number(choice?.value ?? 0);

  function drawAll() {
    plots.splice(0).forEach((one) => one.made.destroy());
    const view = data.views[chosen()];
    document.querySelectorAll("[data-view]").forEach((one) => {
      one.hidden = Number(one.dataset.view) !== chosen();
    });
    document.querySelectorAll("[data-choose]").forEach((one) => {
      one.setAttribute("aria-pressed", String(Number(one.dataset.choose) === chosen()));
    });
    if (view) {
      percentiles(find("percentiles"), view);
      heat(find("heat"), view);
      rates(find("rates"), [view]);
    }
    rates(find("all-rates"), data.views);
    table(find("lag"), data.lag, (one) => (one === null ? "–" : `${digits(one)} s`), "seconds",
          "No time lag was sampled.");
    const none = "No process was sampled.";
    table(find("cpu"), data.resources.cpu, digits, "cores", none);
    table(find("memory"), data.resources.memory, (one) => (one === null ? "–" : `${digits(one)} MiB`), "MiB", none);
    table(find("descriptors"), data.resources.descriptors, digits, "open", none);
    table(find("threads"), data.resources.threads, digits, "threads", none);
  }

  choice?.addEventListener("change", drawAll);
  document.querySelectorAll("[data-choose]").forEach((one) => {
    one.addEventListener("click", () => {
      choice.value = one.dataset.choose;
      drawAll();
      document.getElementById("latency").scrollIntoView({ behavior: "smooth" });
    });
  });

  let waiting = 0;
  const fit = () => plots.forEach((one) => one.fit());
  new ResizeObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(fit);
  }).observe(document.querySelector("main"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // Paper is white: what is printed is drawn in the light colours.
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    drawAll();
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    drawAll();
  });
  drawAll();
})();
