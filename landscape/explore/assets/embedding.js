"use strict";
/* Latent codes: a t-SNE whose points show their image, or the images that a mixup code is made of. */
explorer.register("embedding", (() => {
  const { make, options } = explorer;
  const SHAPES = "●■▲◆▼✚✖◀▶⬟⬢★";
  let root, data, current;
  const find = name => root.querySelector(name);

  function show(where, given) {
    root = where;
    data = given;
    current = null;
    options(find(".variant"), [["", "none: images alone"], ...data.variants.map(name => [name, name])], find(".variant").value);
    find(".variant").onchange = () => { current = null; draw(); };
    find(".by").onchange = draw;
    find(".markers").textContent = `Markers: ${data.classes.map((name, index) => `${SHAPES[index % SHAPES.length]} ${name}`).join("  ")}`;
    explorer.onArrow(find(".codes"), move);
    draw();
  }

  function traces() {
    const variant = find(".variant").value;
    const images = data.images[find(".by").value];
    return variant ? [...images.map(trace => ({ ...trace, opacity: 0.5 })), ...data.mixups[variant]] : images;
  }

  function draw() {
    explorer.plot(find(".codes"), [...traces().map(explorer.inked), lines(), ring()], data.layout);
    explorer.onPoint(find(".codes"), point => { if (point.customdata !== undefined) choose(point.customdata); });
    card();
  }

  function choose(index) {
    if (index === current) return;
    current = index;
    const div = find(".codes"), last = div.data.length - 1, [to, around] = [lines(), ring()];
    Plotly.restyle(div, { x: [to.x, around.x], y: [to.y, around.y] }, [last - 1, last]);
    card();
  }

  /* From a mixup code to its members. */
  function lines() {
    const members = current === null ? [] : data.members[current];
    const path = axis => members.flatMap(member => [data[axis][current], data[axis][member], null]);
    return { type: "scatter", mode: "lines", x: path("x"), y: path("y"), line: { color: explorer.colours().focus, width: 1.5 }, hoverinfo: "skip", showlegend: false };
  }

  function ring() {
    const at = current === null ? [] : [current];
    return { type: "scatter", mode: "markers", x: at.map(i => data.x[i]), y: at.map(i => data.y[i]), hoverinfo: "skip", showlegend: false,
      marker: { size: 15, symbol: "circle-open", color: explorer.colours().focus, line: { width: 3 } } };
  }

  /* The nearest code on show in the direction of the arrow: how far ahead it lies counts, and twice how far aside. */
  function move(dx, dy) {
    const shown = traces().flatMap(trace => trace.customdata);
    if (!dx && !dy) return;
    if (current === null) return choose(shown[0]);
    let best = null, least = Infinity;
    for (const index of shown) {
      const [x, y] = [data.x[index] - data.x[current], data.y[index] - data.y[current]];
      const ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (index !== current && ahead > aside / 2 && ahead + 2 * aside < least) [best, least] = [index, ahead + 2 * aside];
    }
    if (best !== null) choose(best);
  }

  function picture(index, ...more) {
    const file = data.files[index] ?? `image ${index}`;
    const place = data.domains[data.domain[index]], held = data.heldOut[index] ? ", held out" : "";
    const words = make("div", {}, ...more, make("div", { textContent: `${data.classes[data.label[index]]}, ${place}${held}` }),
      make("small", { textContent: file }));
    const item = make("li", {}, words);
    if (data.album) item.prepend(explorer.thumb(data.album, data.thumb[index], file));
    return item;
  }

  function weight(value, largest) {
    const bar = make("div", { className: "bar" }), fill = make("i", { className: value < 0 ? "negative" : "" });
    const width = 50 * Math.abs(value) / largest;
    fill.style.width = `${width}%`;
    fill.style.left = `${value < 0 ? 50 - width : 50}%`;
    bar.append(fill);
    return [make("div", { className: "weight", textContent: `weight ${value < 0 ? "−" : ""}${Math.abs(value).toFixed(3)}` }), bar];
  }

  function card() {
    const box = find(".card");
    if (current === null) {
      const lacking = data.album ? "" : " The data could not be opened when this page was made, so it names files in place of pictures.";
      box.replaceChildren(make("p", { className: "line", textContent: `Point at a code: its image appears here; for a mixup code, its members with their weights.${lacking}` }));
      return;
    }
    const members = data.members[current], weights = data.weights[current];
    if (!members.length) {
      box.replaceChildren(make("ul", {}, picture(current)));
      return;
    }
    const largest = Math.max(1, ...weights.map(Math.abs));
    const what = `${data.variants[data.variant[current]]} mixup code, ${data.kinds[data.kind[current]]}: ${data.classes[data.label[current]]}`;
    box.replaceChildren(make("p", { textContent: what }),
      make("ul", {}, ...members.map((member, index) => picture(member, ...weight(weights[index], largest)))));
  }

  return { show, again: draw };
})());
