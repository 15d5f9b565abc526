"use strict";
/* Learned scores: a scatter per ordered pair of domains; a point shows the two images behind it. */
explorer.register("correlation", (() => {
  const { make, number } = explorer;
  let root, data;
  const find = name => root.querySelector(name);

  function show(where, given) {
    root = where;
    data = given;
    const cell = value => typeof value === "number" || value === null ? number(value) : value;
    explorer.table(find(".estimates"), data.columns.map(name => name.replaceAll("_", " ")), data.rows.map(row => row.map(cell)));
    draw();
  }

  function draw() {
    find(".card").replaceChildren();
    find(".pairs").querySelectorAll(".plot").forEach(div => Plotly.purge(div));
    const plots = data.panels.map(each => make("div", { className: "plot", role: "img", "aria-label": `Score against cosine, ${each.title}: ${each.estimate}` }));
    find(".pairs").replaceChildren(...data.panels.map((each, index) => make("figure", {},
      make("figcaption", {}, `${each.title} `, make("div", { className: "line", textContent: each.estimate })), plots[index])));
    data.panels.forEach((each, index) => {
      explorer.plot(plots[index], each.figure.data.map(explorer.inked), each.figure.layout);
      explorer.onPoint(plots[index], point => card(each, point));
    });
  }

  function card(panel, point) {
    const words = `${panel.title}: score ${number(point.y)}, cosine ${number(point.x)}`;
    const pictures = data.album ? panel.thumb[point.pointNumber].map((place, side) => make("li", {},
      explorer.thumb(data.album, place, [panel.first, panel.second][side]), make("div", { textContent: [panel.first, panel.second][side] }))) : [];
    find(".card").replaceChildren(make("p", { textContent: words }), make("ul", {}, ...pictures));
  }

  return { show, again: draw };
})());
