"use strict";
/* Loss surface: one quantity large, the domains small, one cursor and one step for all of them. */
explorer.register("surface", (() => {
  const { make, options } = explorer;
  const METRICS = { loss: "loss", accuracy: "accuracy", balanced_accuracy: "balanced accuracy" };
  const PARTS = { in: "in (of sources: trained on)", out: "out (held out)", all: "in and out" };
  let root, data, cursor, steps;
  let small = [];      // [{ panel, plot, value }] of the domains on show

  const find = name => root.querySelector(name);
  const isLoss = key => key.endsWith("loss");
  const words = (key, value) => value === null || value === undefined ? "not known"
    : isLoss(key) ? `${value.toFixed(3)} nat` : `${(100 * value).toFixed(1)} %`;
  const bare = (key, value) => words(key, value).replace(/ (nat|%)$/, "");
  const fixed = value => Number(value.toFixed(2)).toFixed(2);  // no -0.00
  const panel = () => data.panels.find(each => each.key === find(".quantity").value);
  const grid = figure => figure.data[0].z;
  const solid = () => find("[name=view]:checked").value === "solid";

  async function show(where, given) {
    root = where;
    data = given;
    cursor = null;
    steps = [...new Set(data.paths.flatMap(path => path.step))].sort((a, b) => a - b);
    options(find(".quantity"), data.panels.map(each => [each.key, each.title]), find(".quantity").value);
    const metrics = [...new Set(data.domains.map(each => each.metric))];
    options(find(".metric"), metrics.map(each => [each, METRICS[each]]), find(".metric").value);
    listParts();
    const slider = find("[type=range]");
    slider.max = Math.max(steps.length - 1, 0);
    slider.value = slider.max;
    find(".paths").hidden = !steps.length;
    find(".quantity").onchange = drawMain;
    find(".metric").onchange = () => { listParts(); drawDomains(); };
    find(".part").onchange = drawDomains;
    slider.oninput = moveMarkers;
    root.querySelectorAll("[name=view]").forEach(radio => { radio.onchange = () => { clear(find(".main")); drawMain(); }; });
    if (!document.createElement("canvas").getContext("webgl")) {
      find("[value=solid]").disabled = true;
      find(".no-webgl").hidden = false;
    }
    explorer.onArrow(find(".main"), move);
    await drawMain();
    requestAnimationFrame(() => setTimeout(drawDomains));  // the large panel is on the screen by then
  }

  /* The split "both" does not exist for balanced accuracy. */
  function listParts() {
    const metric = find(".metric").value;
    const parts = [...new Set(data.domains.filter(each => each.metric === metric).map(each => each.split))];
    options(find(".part"), parts.map(each => [each, PARTS[each]]), find(".part").value);
  }

  function clear(div) {
    Plotly.purge(div);
    div.told = false;
  }

  async function drawMain() {
    const shown = panel(), div = find(".main");
    find(".name").textContent = shown.title;
    div.setAttribute("aria-label", `${shown.title} over the plane, ${solid() ? "3-D" : "contours"}`);
    if (solid()) await drawSolid(div, shown);
    else await explorer.plot(div, [...shown.figure.data, marker()], {
      ...shown.figure.layout,
      legend: { ...shown.figure.layout.legend, y: 1.01, yanchor: "bottom" },
      shapes: crosshair(),
    });
    explorer.onPoint(div, pointAt);
    readout();
    say();
  }

  function drawDomains() {
    small.forEach(each => clear(each.plot));
    const [metric, split] = [find(".metric").value, find(".part").value];
    const shown = data.domains.filter(each => each.metric === metric && each.split === split);
    small = shown.map(each => {
      const value = make("output", { className: "value" });
      const plot = make("div", { className: "plot", tabIndex: 0, role: "application", "aria-describedby": "surface-keys",
        "aria-label": `${METRICS[metric]} on ${each.domain}` });
      return { panel: each, plot, value };
    });
    find(".domains").replaceChildren(...small.map(each => make("figure", {},
      make("figcaption", {}, make("span", { textContent: `${each.panel.domain}${each.panel.domain === data.target ? ", target" : ""} ` }), each.value), each.plot)));
    small.forEach(each => {
      const layout = { ...each.panel.figure.layout, showlegend: false, shapes: crosshair() };
      const [contour, ...others] = each.panel.figure.data;
      explorer.plot(each.plot, [{ ...contour, showscale: false }, ...others, marker()], layout);
      explorer.onPoint(each.plot, pointAt);
      explorer.onArrow(each.plot, move);
    });
    say();
  }

  /* 3-D: the same values, cut off at the same level; the paths lie on the surface. */
  function drawSolid(div, shown) {
    const contour = shown.figure.data[0], { ink, line, focus } = explorer.colours();
    const axis = (title, more) => ({ title: { text: title }, color: ink, gridcolor: line, backgroundcolor: "rgba(0,0,0,0)", ...more });
    const look = { type: "scatter3d", hoverinfo: "skip", showlegend: false };
    const traces = [{
      type: "surface", x: data.x, y: data.y, z: contour.z, colorscale: contour.colorscale, cmin: contour.zmin, cmax: contour.zmax,
      colorbar: contour.colorbar, hovertemplate: contour.hovertemplate, opacity: 0.95, name: shown.title,
    }];
    data.paths.forEach(path => traces.push({ ...look, mode: "lines", x: path.x, y: path.y, z: path.at[shown.key],
      line: { color: path.colour, width: path.kind === "swa" ? 8 : 4 }, name: path.name, showlegend: true }));
    traces.push({ ...look, ...marker(shown.key), type: "scatter3d" });
    const at = cursor && { x: [data.x[cursor[1]]], y: [data.y[cursor[0]]], z: [contour.z[cursor[0]][cursor[1]]] };
    traces.push({ ...look, mode: "markers", marker: { size: 5, symbol: "x", color: focus }, ...(at ?? { x: [], y: [], z: [] }) });
    return explorer.plot(div, traces, {
      font: shown.figure.layout.font,
      legend: shown.figure.layout.legend,
      margin: { l: 0, r: 0, t: 0, b: 0 },
      scene: {
        camera: div._fullLayout?.scene?.camera ?? { eye: { x: -1.1, y: -1.25, z: 0.8 } },
        aspectratio: { x: 1.2, y: 1.2, z: 0.7 },
        xaxis: axis("e₁"), yaxis: axis("e₂"),
        zaxis: axis(isLoss(shown.key) ? "nat" : "", { range: [contour.zmin, contour.zmax] }),
      },
    });
  }

  /* The cursor sits on a grid point: what it reads was measured there. */
  function pointAt(point) {
    const nearest = (axis, value) => axis.reduce((best, each, index) => Math.abs(each - value) < Math.abs(axis[best] - value) ? index : best, 0);
    setCursor([nearest(data.y, point.y), nearest(data.x, point.x)]);
  }

  function move(dx, dy) {
    if (!dx && !dy) return setCursor(null);
    const clip = (value, axis) => Math.min(Math.max(value, 0), axis.length - 1);
    const [i, j] = cursor ?? [Math.floor(data.y.length / 2) - dy, Math.floor(data.x.length / 2) - dx];
    setCursor([clip(i + dy, data.y), clip(j + dx, data.x)]);
  }

  function setCursor(next) {
    if (String(next) === String(cursor)) return;
    cursor = next;
    const shapes = crosshair();
    if (solid()) drawSolid(find(".main"), panel());
    else Plotly.relayout(find(".main"), { shapes });
    small.forEach(each => Plotly.relayout(each.plot, { shapes }));
    say();
  }

  function crosshair() {
    if (!cursor) return [];
    const [y, x] = [data.y[cursor[0]], data.x[cursor[1]]];
    const lines = [{ x0: x, x1: x, y0: 0, y1: 1, yref: "paper" }, { x0: 0, x1: 1, xref: "paper", y0: y, y1: y }];
    const twice = [["rgba(0,0,0,.65)", 3], ["white", 1]];
    return twice.flatMap(([color, width]) => lines.map(each => ({ type: "line", ...each, line: { color, width } })));
  }

  /* Every value under the cursor: beside each panel, and for the main one in words. */
  function say() {
    const at = figure => cursor ? grid(figure)[cursor[0]][cursor[1]] : undefined;
    const shown = panel();
    find(".main").parentElement.querySelector(".value").textContent = cursor ? words(shown.key, at(shown.figure)) : "";
    small.forEach(each => {
      each.value.textContent = `${cursor ? words(each.panel.metric, at(each.panel.figure)) : ""} (n = ${each.panel.n})`;
    });
    const [metric, split] = [find(".metric").value, find(".part").value];
    find(".said").textContent = cursor ? [
      `x ${data.x[cursor[1]].toFixed(3)}, y ${data.y[cursor[0]].toFixed(3)}: ${shown.title} ${words(shown.key, at(shown.figure))}`,
      `${METRICS[metric]}, split ${PARTS[split]}: ${small.map(each => `${each.panel.domain} ${words(metric, at(each.panel.figure))}`).join(", ")}`,
    ].join("; ") + "." : "";
  }

  /* Where every path is at the slider's step: its last recorded point up to there; nowhere before it begins. */
  function reached() {
    const step = steps[find("[type=range]").value];
    return data.paths.map(path => [path, path.step.filter(each => each <= step).length - 1]);
  }

  function marker(key) {
    const there = reached().filter(([, index]) => index >= 0);
    const size = key ? 7 : 14;
    return {
      type: "scatter", mode: "markers", name: "step", meta: "step", showlegend: false, hoverinfo: "skip",
      x: there.map(([path, index]) => path.x[index]),
      y: there.map(([path, index]) => path.y[index]),
      ...(key && { z: there.map(([path, index]) => path.at[key][index]) }),
      marker: { size, color: there.map(([path]) => path.colour), line: { color: "white", width: 2.5 } },
    };
  }

  function moveMarkers() {
    const update = (div, key) => {
      const { x, y, z, marker: look } = marker(key);
      const which = div.data.findIndex(trace => trace.meta === "step");
      Plotly.restyle(div, { x: [x], y: [y], "marker.color": [look.color], ...(z && { z: [z] }) }, [which]);
    };
    update(find(".main"), solid() ? panel().key : undefined);
    small.forEach(each => update(each.plot));
    readout();
  }

  function readout() {
    if (!steps.length) return;
    const slider = find("[type=range]"), step = steps[slider.value];
    slider.setAttribute("aria-valuetext", `step ${step}`);
    find(".step").textContent = step;
    const shown = [...new Set(["train_loss", "fgmix_train_loss", "test_accuracy", panel().key])]
      .map(key => data.panels.find(each => each.key === key)).filter(Boolean);
    const rows = reached().map(([path, index]) => {
      const swatch = make("span", { className: "swatch" });
      swatch.style.background = path.colour;
      const at = index < 0 ? "not begun" : `at step ${path.step[index]}`;
      const name = make("span", {}, swatch, path.name, make("small", { textContent: at }));
      if (index < 0) return [name, ...Array(2 + shown.length).fill("–")];
      const values = shown.map(each => {
        const cell = make("span", { textContent: bare(each.key, path.at[each.key][index]) });
        if (path.true[index]) cell.append(make("small", { textContent: `true ${bare(each.key, path.true[index][each.key])}` }));
        return cell;
      });
      return [name, `${fixed(path.x[index])}, ${fixed(path.y[index])}`, fixed(path.residual[index]), ...values];
    });
    const units = shown.map(each => `${each.title}, ${isLoss(each.key) ? "nat" : "%"}`);
    explorer.table(find(".readout"), ["path", "x, y", "off the plane", ...units], rows);
  }

  function again() {
    drawMain();
    drawDomains();
  }

  return { show, again };
})());
