"use strict";
// Static tables sort by their heads.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const key = (row, i) => {
    const value = row.cells[i].dataset.value;
    return value === undefined ? row.cells[i].textContent : value === "nan" ? Infinity : Number(value);
  };
  const sort = (head, i) => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach(other => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    [...body.rows].sort((a, b) => {
      const [x, y] = [key(a, i), key(b, i)];
      return sign * (typeof x === "number" && typeof y === "number" ? x - y || 0 : String(x).localeCompare(String(y)));
    }).forEach(row => body.append(row));
  };
  heads.forEach((head, i) => {
    head.tabIndex = 0;
    head.setAttribute("aria-sort", "none");
    head.addEventListener("click", () => sort(head, i));
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(head, i); });
  });
}

// What follows explores the data of the page: results, curves, archives, and two optimizers beside each other.
(() => {
  const source = document.getElementById("explorer-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const { tasks, optimizers, rows } = data;
  const at = Object.fromEntries(data.columns.map((name, i) => [name, i]));
  const byId = id => document.getElementById(id);
  const node = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const SVG = "http://www.w3.org/2000/svg";
  const shape = (name, attributes = {}) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const ink = color => (color === "#1b2431" ? "var(--ink)" : color);
  const text = (value, digits = 4) => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(digits - 2);
    return value.toLocaleString("en", { maximumSignificantDigits: digits });
  };
  const between = (low, high) => (low === null || high === null ? "" : ` [${text(low)}, ${text(high)}]`);
  const dotted = index => {
    const dot = node("span", { class: "dot", "aria-hidden": "true" });
    dot.style.background = ink(optimizers[index].color);
    const link = node("span", { class: "name" }, dot, optimizers[index].name);
    return link;
  };

  // The view: what the address holds after the #.
  const EMPTY = { q: "", t: "", o: "", sort: "", task: "", a: "", b: "", pair: "" };
  const view = { ...EMPTY };
  let holds = false;
  const readView = () => {
    const found = new URLSearchParams(location.hash.slice(1));
    holds = Object.keys(EMPTY).some(key => found.has(key));
    if (holds) for (const key of Object.keys(EMPTY)) view[key] = found.get(key) || "";
    return holds;
  };
  const writeView = () => {
    const kept = Object.entries(view).filter(([, value]) => value !== "");
    history.replaceState(null, "", kept.length ? "#" + new URLSearchParams(kept) : location.pathname + location.search);
  };
  const indexOf = (list, name, otherwise) => {
    const found = list.findIndex(entry => entry.name === name);
    return found < 0 ? otherwise : found;
  };

  // Results: filtered and sorted in memory, shown a hundred at a time.
  const HEADS = [
    ["Task", "task"], ["Optimizer", "optimizer"], ["Rank", "rank"], ["Metric", "metric"], ["Mean", "mean"], ["Std", "std"],
    ["Median", "median"], ["IQM", "iqm"], ["Trials", "trials"], ["Failed", "failures"], ["Evaluations", "evaluations"],
    ["Gradients", "gradient_evaluations"], ["Run (s)", "run_seconds"], ["Device", "device"],
  ];
  // The columns that hold words.
  const WORDS = {
    task: row => tasks[row[at.task]].name, optimizer: row => optimizers[row[at.optimizer]].name,
    metric: row => tasks[row[at.task]].metric, device: row => data.devices[row[at.device]],
  };
  const PAGE = 100;
  const table = byId("results-table");
  let shown = PAGE;
  let current = [];
  const haystack = rows.map(row => `${WORDS.task(row)} ${WORDS.optimizer(row)}`.toLowerCase());
  const valueOf = (row, key) => (key in WORDS ? WORDS[key](row) : row[at[key]]);
  const collator = new Intl.Collator("en", { numeric: true });
  const findRows = () => {
    const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
    const task = indexOf(tasks, view.t, -1), optimizer = indexOf(optimizers, view.o, -1);
    current = [];
    rows.forEach((row, i) => {
      if (task >= 0 && row[0] !== task) return;
      if (optimizer >= 0 && row[1] !== optimizer) return;
      if (words.every(word => haystack[i].includes(word))) current.push(row);
    });
    const [key, direction] = view.sort.split(":");
    if (HEADS.some(head => head[1] === key)) {
      const sign = direction === "down" ? -1 : 1;
      const keys = new Map(current.map(row => [row, valueOf(row, key)]));
      current.sort((x, y) => {
        const [a, b] = [keys.get(x), keys.get(y)];
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * (key in WORDS ? collator.compare(a, b) : a - b);
      });
    }
  };
  const showRows = () => {
    const body = table.tBodies[0];
    body.replaceChildren(...current.slice(0, shown).map(row => {
      const cell = (content, number = true) => node("td", number ? { class: "number" } : {}, content);
      const best = row[at.rank] === 1 ? "number best" : "number";
      const mean = text(row[at.mean]) + between(row[at.low], row[at.high]);
      const line = node("tr", {},
        node("th", { scope: "row" }, WORDS.task(row)), cell(dotted(row[1]), false), cell(text(row[at.rank])),
        cell(WORDS.metric(row), false), node("td", { class: best }, mean), cell(text(row[at.std])),
        cell(text(row[at.median])), cell(text(row[at.iqm]) + between(row[at.iqm_low], row[at.iqm_high])),
        cell(text(row[at.trials])), node("td", { class: row[at.failures] ? "number no" : "number" }, text(row[at.failures])),
        cell(text(row[at.evaluations], 7)), cell(text(row[at.gradient_evaluations], 7)), cell(text(row[at.run_seconds], 3)),
        cell(WORDS.device(row), false));
      return line;
    }));
    byId("results-count").textContent =
      `${current.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows` +
      (current.length > shown ? `, ${shown} shown` : "");
    byId("more").hidden = current.length <= shown;
    const [key, direction] = view.sort.split(":");
    for (const head of table.tHead.rows[0].cells) {
      head.setAttribute("aria-sort", head.dataset.key !== key ? "none" : direction === "down" ? "descending" : "ascending");
    }
  };
  const refresh = () => { shown = PAGE; findRows(); showRows(); };
  table.tHead.append(node("tr", {}, ...HEADS.map(([title, key]) => {
    const button = node("button", { type: "button" }, title);
    button.addEventListener("click", () => {
      view.sort = view.sort === `${key}:up` ? `${key}:down` : `${key}:up`;
      refresh();
      writeView();
    });
    const head = node("th", key in WORDS ? { scope: "col" } : { scope: "col", class: "number" }, button);
    head.dataset.key = key;
    return head;
  })));
  const fill = (select, names) => select.append(...names.map(name => node("option", { value: name }, name)));
  const taskNames = tasks.map(task => task.name), optimizerNames = optimizers.map(optimizer => optimizer.name);
  fill(byId("filter-task"), taskNames);
  fill(byId("filter-optimizer"), optimizerNames);
  for (const [id, key] of [["filter", "q"], ["filter-task", "t"], ["filter-optimizer", "o"]]) {
    byId(id).addEventListener("input", event => { view[key] = event.target.value; refresh(); writeView(); });
  }
  byId("results-tools").addEventListener("submit", event => event.preventDefault());
  byId("reset").addEventListener("click", () => { Object.assign(view, EMPTY); apply(); writeView(); });
  byId("more").addEventListener("click", () => { shown += PAGE; showRows(); });

  // Curves over the budget.
  const hiddenSeries = new Set();
  const ticks = (low, high, count) => {
    const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= rough) || rough;
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step || 0);
    return found;
  };
  const ranks = new Map(rows.map(row => [`${row[0]}:${row[1]}`, row[at.rank]]));
  const rankOf = (task, optimizer) => ranks.get(`${task}:${optimizer}`) ?? Infinity;
  const chosenSeries = (task, found) => {
    const pair = view.pair ? [pairOf(0), pairOf(1)] : null;
    return Object.keys(found).map(Number).filter(index => !pair || pair.includes(index))
      .sort((x, y) => rankOf(task, x) - rankOf(task, y) || x - y);
  };
  const drawCurves = place => {
    const task = tasks[place], box = byId("curves");
    box.replaceChildren();
    const order = chosenSeries(place, task.curves);
    if (!order.length) return;
    const visible = order.filter(index => !hiddenSeries.has(index));
    const wide = Math.max(320, Math.min(box.clientWidth || 900, 1100)), tall = 340;
    const [left, right, top, bottom] = [62, 14, 12, 42];
    const series = visible.map(index => task.curves[index]);
    const finite = list => list.filter(value => value !== null);
    const xs = series.flatMap(curve => curve[0]), ys = series.flatMap(curve => curve.slice(1).flatMap(finite));
    if (!ys.length) ys.push(0, 1);
    const xHigh = Math.max(1, ...xs);
    let [low, high] = [Math.min(...ys), Math.max(...ys)];
    const space = (high - low) * 0.04 || 0.5;
    [low, high] = [low - space, high + space];
    const x = value => left + (value / xHigh) * (wide - left - right);
    const y = value => top + ((high - value) / (high - low)) * (tall - top - bottom);
    const real = value => (value === null ? null : task.log ? 10 ** value : value);
    const ends = order.map(index => `${optimizers[index].name} ${text(real(task.curves[index][1].at(-1)))}`).join(", ");
    const name = `${task.metric} over evaluations on ${task.name}. At the end: ${ends}`;
    const picture = shape("svg", { viewBox: `0 0 ${wide} ${tall}`, role: "img", tabindex: "0", "aria-label": name });
    for (const value of ticks(low, high, 6)) {
      if (task.log && Math.abs(value - Math.round(value)) > 1e-9) continue;
      picture.append(shape("line", { class: "axis", x1: left, x2: wide - right, y1: y(value), y2: y(value) }));
      const label = shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" });
      label.textContent = task.log ? `1e${Math.round(value)}` : text(value);
      picture.append(label);
    }
    for (const value of ticks(0, xHigh, wide < 500 ? 3 : 6)) {
      const label = shape("text", { x: x(value), y: tall - bottom + 17, "text-anchor": "middle" });
      label.textContent = text(value);
      picture.append(label);
    }
    const title = shape("text", { x: (left + wide - right) / 2, y: tall - 6, "text-anchor": "middle" });
    title.textContent = "evaluations";
    picture.append(title);
    const line = (curve, part) => curve[0].map((value, i) => [value, curve[part][i]]).filter(([, value]) => value !== null);
    const path = points => points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)},${y(b).toFixed(1)}`).join("");
    visible.forEach(index => {
      const curve = task.curves[index], color = ink(optimizers[index].color);
      if (curve.length > 2) {
        const band = path([...line(curve, 2), ...line(curve, 3).reverse()]);
        const area = shape("path", { d: band ? band + "Z" : "", "fill-opacity": 0.16 });
        area.style.fill = color;
        picture.append(area);
      }
      const stroke = shape("path", { d: path(line(curve, 1)), fill: "none", "stroke-width": 2 });
      stroke.style.stroke = color;
      picture.append(stroke);
    });
    const cursor = shape("line", { class: "axis", y1: top, y2: tall - bottom, visibility: "hidden" });
    picture.append(cursor);
    const tip = node("div", { class: "tip", hidden: "" });
    const most = Math.max(0, ...series.map(curve => curve[0].length));
    let step = most - 1;
    const point = () => {
      const some = series[0];
      if (!some) return;
      const found = some[0][Math.min(step, some[0].length - 1)];
      cursor.setAttribute("x1", x(found));
      cursor.setAttribute("x2", x(found));
      cursor.setAttribute("visibility", "visible");
      const values = visible.map(index => {
        const curve = task.curves[index], i = Math.min(step, curve[0].length - 1);
        const [low, high] = curve.length > 2 ? [real(curve[2][i]), real(curve[3][i])] : [null, null];
        return node("div", {}, dotted(index), ` ${text(real(curve[1][i]))}${between(low, high)}`);
      });
      tip.replaceChildren(node("strong", {}, `${text(found, 7)} evaluations`), ...values);
      tip.hidden = false;
      const share = x(found) / wide;
      tip.style.top = "10px";
      tip.style.left = share > 0.5 ? "auto" : `${100 * share + 1}%`;
      tip.style.right = share > 0.5 ? `${100 * (1 - share) + 1}%` : "auto";
    };
    const leave = () => { tip.hidden = true; cursor.setAttribute("visibility", "hidden"); };
    picture.addEventListener("pointermove", event => {
      const area = picture.getBoundingClientRect();
      const wanted = (((event.clientX - area.left) / area.width) * wide - left) / (wide - left - right) * xHigh;
      const some = series[0] ? series[0][0] : [];
      step = some.reduce((best, value, i) => (Math.abs(value - wanted) < Math.abs(some[best] - wanted) ? i : best), 0);
      point();
    });
    picture.addEventListener("pointerleave", leave);
    picture.addEventListener("blur", leave);
    picture.addEventListener("keydown", event => {
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -most, End: most }[event.key];
      if (!move) return;
      event.preventDefault();
      step = Math.max(0, Math.min(most - 1, step + move));
      point();
    });
    const legend = node("div", { class: "legend", role: "group", "aria-label": "Curves shown" }, ...order.map(index => {
      const button = node("button", { type: "button", "aria-pressed": String(!hiddenSeries.has(index)) }, dotted(index));
      button.addEventListener("click", () => {
        if (!hiddenSeries.delete(index)) hiddenSeries.add(index);
        drawCurves(place);
        byId("curves").querySelectorAll(".legend button")[order.indexOf(index)].focus();
      });
      return button;
    }));
    const lines = order.map(index => {
      const curve = task.curves[index], cells = [0.25, 0.5, 0.75, 1].map(share => {
        const i = Math.max(0, Math.round(share * curve[0].length) - 1);
        return node("td", { class: "number" }, text(real(curve[1][i])));
      });
      return node("tr", {}, node("th", { scope: "row" }, optimizers[index].name), ...cells);
    });
    const heads = ["Optimizer", "25 % of the budget", "50 %", "75 %", "100 %"].map(head => node("th", { scope: "col" }, head));
    const numbers = node("details", {}, node("summary", {}, "The curves as numbers"), node("div", { class: "scroll" },
      node("table", {}, node("thead", {}, node("tr", {}, ...heads)), node("tbody", {}, ...lines))));
    const how = task.log ? "geometric mean" : "mean";
    box.append(node("p", { class: "caption" }, `${task.metric} over evaluations: ${how} over the trials with its 95 % interval`),
      node("div", { class: "chart" }, picture, tip), legend, numbers);
  };

  // Archives: a heat map each; the wheel and + and - zoom, dragging moves, arrows go from cell to cell.
  const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"]
    .map(hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16)));
  const colorAt = share => {
    const place = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1), i = Math.min(VIRIDIS.length - 2, Math.floor(place));
    return VIRIDIS[i].map((value, channel) => Math.round(value + (VIRIDIS[i + 1][channel] - value) * (place - i)));
  };
  const bytes = encoded => Uint8Array.from(atob(encoded), character => character.charCodeAt(0)).buffer;
  const decoded = new Map();
  const decode = packed => {
    if (decoded.has(packed)) return decoded.get(packed);
    const cells = packed.wide ? new Uint32Array(bytes(packed.cells)) : new Uint16Array(bytes(packed.cells));
    const columns = packed.columns.map(column => {
      const steps = new Uint16Array(bytes(column.data)), width = (column.high - column.low) / 65535;
      return Float64Array.from(steps, step => column.low + step * width);
    });
    const made = { columns, place: new Map(Array.from(cells, (cell, i) => [cell, i])), cells };
    decoded.set(packed, made);
    return made;
  };
  const heatmap = (task, index, packed) => {
    const { shape: size, measures, range } = task.archives;
    const [nx, ny] = [size[0], size[1] || 1];
    const archive = decode(packed), total = nx * ny;
    const image = new ImageData(nx, ny);
    archive.cells.forEach((cell, i) => {
      const [cx, cy] = size.length > 1 ? [Math.floor(cell / ny), cell % ny] : [cell, 0];
      const [red, green, blue] = colorAt((archive.columns[0][i] - range[0]) / (range[1] - range[0]));
      image.data.set([red, green, blue, 255], 4 * ((ny - 1 - cy) * nx + cx));
    });
    const small = node("canvas");
    [small.width, small.height] = [nx, ny];
    small.getContext("2d").putImageData(image, 0, 0);
    const share = ((100 * archive.cells.length) / total).toFixed(1);
    const axes = measures.map(measure => `${measure.name} from ${text(measure.low)} to ${text(measure.high)}`).join(", ");
    const best = archive.columns[0].reduce((high, value) => Math.max(high, value), -Infinity);
    const name = `Archive of ${optimizers[index].name} on ${task.name}: ${archive.cells.length} elites in ${share} % of ` +
      `${total} cells over ${axes}; best objective ${text(best)}. Arrow keys go from cell to cell, plus and minus zoom.`;
    const side = 320;
    const canvas = node("canvas", { width: side, height: side, tabindex: "0", role: "img", "aria-label": name });
    if (ny === 1) canvas.style.aspectRatio = "4";
    const out = node("output", { "aria-live": "polite" }, `${archive.cells.length.toLocaleString("en")} elites, ${share} % of the cells`);
    const tip = node("div", { class: "tip", hidden: "" });
    const window_ = { x: 0, y: 0, zoom: 1 };
    let cell = null;
    const draw = () => {
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.fillStyle = getComputedStyle(document.body).getPropertyValue("--rule");
      context.fillRect(0, 0, side, side);
      context.drawImage(small, window_.x, window_.y, nx / window_.zoom, ny / window_.zoom, 0, 0, side, side);
      if (cell) {
        const [w, h] = [(side * window_.zoom) / nx, (side * window_.zoom) / ny];
        context.strokeStyle = getComputedStyle(document.body).getPropertyValue("--no");
        context.lineWidth = 2;
        context.strokeRect((cell[0] - window_.x) * w, (ny - 1 - cell[1] - window_.y) * h, w, h);
      }
    };
    const clamp = () => {
      window_.zoom = Math.max(1, Math.min(Math.max(nx, ny) / 4, window_.zoom));
      window_.x = Math.max(0, Math.min(nx - nx / window_.zoom, window_.x));
      window_.y = Math.max(0, Math.min(ny - ny / window_.zoom, window_.y));
    };
    const zoomAt = (factor, fx = 0.5, fy = 0.5) => {
      const [px, py] = [window_.x + (fx * nx) / window_.zoom, window_.y + (fy * ny) / window_.zoom];
      window_.zoom *= factor;
      clamp();
      [window_.x, window_.y] = [px - (fx * nx) / window_.zoom, py - (fy * ny) / window_.zoom];
      clamp();
      draw();
    };
    const describe = () => {
      const found = archive.place.get(size.length > 1 ? cell[0] * ny + cell[1] : cell[0]);
      if (found === undefined) return `cell (${cell.slice(0, size.length).join(", ")}): empty`;
      const values = measures.map((measure, i) => `${measure.name} ${text(archive.columns[i + 1][found])}${measure.unit ? " " + measure.unit : ""}`);
      return `objective ${text(archive.columns[0][found], 5)}; ${values.join("; ")}`;
    };
    const point = (chosen, fx, fy) => {
      cell = chosen;
      draw();
      tip.textContent = out.textContent = describe();
      tip.hidden = false;
      tip.style.left = fx > 0.5 ? "auto" : `${100 * fx + 4}%`;
      tip.style.right = fx > 0.5 ? `${100 * (1 - fx) + 4}%` : "auto";
      tip.style.top = `calc(${60 * fy}% + 2.2rem)`;
    };
    const leave = () => { cell = null; tip.hidden = true; draw(); };
    const shares = event => {
      const area = canvas.getBoundingClientRect();
      return [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
    };
    const limit = (value, count) => Math.max(0, Math.min(count - 1, value));
    let drag = null;
    canvas.addEventListener("pointerdown", event => { drag = [event.clientX, event.clientY, window_.x, window_.y]; });
    addEventListener("pointerup", () => { drag = null; });
    canvas.addEventListener("pointermove", event => {
      const area = canvas.getBoundingClientRect();
      if (drag && window_.zoom > 1) {
        window_.x = drag[2] - ((event.clientX - drag[0]) / area.width) * (nx / window_.zoom);
        window_.y = drag[3] - ((event.clientY - drag[1]) / area.height) * (ny / window_.zoom);
        clamp();
      }
      const [fx, fy] = shares(event);
      const across = limit(Math.floor(window_.x + (fx * nx) / window_.zoom), nx);
      const down = limit(Math.floor(window_.y + (fy * ny) / window_.zoom), ny);
      point([across, ny - 1 - down], fx, fy);
    });
    canvas.addEventListener("pointerleave", leave);
    canvas.addEventListener("blur", leave);
    canvas.addEventListener("wheel", event => {
      event.preventDefault();
      zoomAt(event.deltaY < 0 ? 1.25 : 0.8, ...shares(event));
    }, { passive: false });
    canvas.addEventListener("keydown", event => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (event.key === "+" || event.key === "-") zoomAt(event.key === "+" ? 1.25 : 0.8);
      if (!move) return;
      event.preventDefault();
      const from = cell || [Math.floor(nx / 2), Math.floor(ny / 2)];
      const to = [limit(from[0] + move[0], nx), limit(from[1] + move[1], ny)];
      point(to, to[0] / nx, 1 - to[1] / ny);
    });
    const button = (label, what, act) => {
      const made = node("button", { type: "button", "aria-label": what }, label);
      made.addEventListener("click", act);
      return made;
    };
    draw();
    return node("figure", {}, node("figcaption", {}, dotted(index),
      button("+", `Zoom into the archive of ${optimizers[index].name}`, () => zoomAt(1.5)),
      button("−", `Zoom out of the archive of ${optimizers[index].name}`, () => zoomAt(1 / 1.5))), canvas, out, tip);
  };
  const drawArchives = place => {
    const task = tasks[place], box = byId("archives");
    box.replaceChildren();
    if (!task.archives.of) return;
    const order = chosenSeries(place, task.archives.of);
    if (!order.length) return;
    const { measures, range } = task.archives;
    const axis = measure => `${measure.name} (${text(measure.low)} to ${text(measure.high)}${measure.unit ? " " + measure.unit : ""})`;
    const up = measures[1] ? `; up: ${axis(measures[1])}` : "";
    const scale = node("div", { class: "scale", role: "img", "aria-label": `Colours from objective ${text(range[0])} to ${text(range[1])}` });
    scale.style.background = `linear-gradient(90deg, ${VIRIDIS.map(rgb => `rgb(${rgb})`).join(", ")})`;
    box.append(node("p", { class: "caption" }, `Final archives. Right: ${axis(measures[0])}${up}. Point at a cell for its elite; the wheel, + and − zoom.`),
      scale, node("div", { class: "ends" }, node("span", {}, text(range[0])), node("span", {}, "objective"), node("span", {}, text(range[1]))),
      node("div", { class: "maps" }, ...order.map(index => heatmap(task, index, task.archives.of[index]))));
  };
  const taskPlace = () => indexOf(tasks, view.task, 0);
  const showTask = () => {
    const place = taskPlace(), task = tasks[place];
    byId("task").value = task.name;
    byId("only-pair").setAttribute("aria-pressed", String(Boolean(view.pair)));
    const link = byId(`task-${task.id.toLowerCase().replace(/[^a-z0-9]/g, "-")}`);
    byId("task-facts").replaceChildren(
      `Ranked by ${task.metric}, ${task.lower ? "lower" : "higher"} is better; budget ${task.budget.toLocaleString("en")} evaluations. `,
      link ? node("a", { href: `#${link.id}` }, `What ${task.id} is`) : "");
    drawCurves(place);
    drawArchives(place);
  };
  fill(byId("task"), taskNames);
  const goTo = name => { view.task = name; showTask(); writeView(); };
  byId("task").addEventListener("input", event => goTo(event.target.value));
  byId("previous").addEventListener("click", () => goTo(taskNames[(taskPlace() + tasks.length - 1) % tasks.length]));
  byId("next").addEventListener("click", () => goTo(taskNames[(taskPlace() + 1) % tasks.length]));
  byId("only-pair").addEventListener("click", () => { view.pair = view.pair ? "" : "1"; showTask(); writeView(); });

  // Two optimizers beside each other.
  const pairOf = which => indexOf(optimizers, which ? view.b : view.a, Math.min(which, optimizers.length - 1));
  const showPair = () => {
    const [a, b] = [pairOf(0), pairOf(1)];
    byId("first").value = optimizers[a].name;
    byId("second").value = optimizers[b].name;
    const table = byId("compare-table");
    const heads = ["Task", "Metric", optimizers[a].name, optimizers[b].name, "Difference", "Better", "Run (s)"];
    table.tHead.replaceChildren(node("tr", {}, ...heads.map((head, i) => node("th", i > 1 && i < 5 ? { scope: "col", class: "number" } : { scope: "col" }, head))));
    const wins = [0, 0];
    const found = new Map();
    for (const row of rows) if (row[1] === a || row[1] === b) found.set(`${row[0]}:${row[1]}`, row);
    const lines = [];
    tasks.forEach((task, place) => {
      const [x, y] = [found.get(`${place}:${a}`), found.get(`${place}:${b}`)];
      if (!x && !y) return;
      const score = row => (row ? text(row[at.mean]) + between(row[at.low], row[at.high]) : "–");
      const known = x && y && x[at.mean] !== null && y[at.mean] !== null;
      const gap = known ? x[at.mean] - y[at.mean] : null;
      const lead = gap === null || gap === 0 ? null : (gap > 0) === !task.lower ? 0 : 1;
      if (lead !== null) wins[lead] += 1;
      const seconds = row => (row ? text(row[at.run_seconds], 3) : "–");
      lines.push(node("tr", {}, node("th", { scope: "row" }, task.name), node("td", {}, task.metric),
        node("td", { class: lead === 0 ? "number best" : "number" }, score(x)),
        node("td", { class: lead === 1 ? "number best" : "number" }, score(y)),
        node("td", { class: "number" }, gap === null ? "–" : text(gap)),
        node("td", {}, lead === null ? "–" : dotted(lead ? b : a)), node("td", {}, `${seconds(x)} and ${seconds(y)}`)));
    });
    table.tBodies[0].replaceChildren(...lines);
    byId("compare-words").textContent = `${optimizers[a].name} has the better mean on ${wins[0]}, ${optimizers[b].name} on ${wins[1]} of ${lines.length} tasks.`;
  };
  fill(byId("first"), optimizerNames);
  fill(byId("second"), optimizerNames);
  const choosePair = (a, b) => { [view.a, view.b] = [a, b]; showPair(); if (view.pair) showTask(); writeView(); };
  const names = () => [byId("first").value, byId("second").value];
  byId("first").addEventListener("input", () => choosePair(...names()));
  byId("second").addEventListener("input", () => choosePair(...names()));
  byId("swap").addEventListener("click", () => choosePair(...names().reverse()));

  const apply = () => {
    byId("filter").value = view.q;
    byId("filter-task").value = view.t;
    byId("filter-optimizer").value = view.o;
    refresh();
    showPair();
    showTask();
  };
  addEventListener("hashchange", () => { if (readView()) apply(); });
  let width = innerWidth;
  addEventListener("resize", () => { if (width !== innerWidth) { width = innerWidth; drawCurves(taskPlace()); } });
  readView();
  apply();
})();
