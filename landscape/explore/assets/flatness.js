"use strict";
/* Flatness: a panel per loss with all methods, their directions, means and intervals. */
explorer.register("flatness", (() => {
  const { make, options, number } = explorer;
  let root, data;
  const find = name => root.querySelector(name);

  function show(where, given) {
    root = where;
    data = given;
    options(find(".scope"), data.scopes.map(each => [each.scope, each.title]), find(".scope").value);
    options(find(".statistic"), data.statistics.map(each => [each.statistic, each.title]), find(".statistic").value);
    find(".scope").onchange = find(".statistic").onchange = draw;
    draw();
  }

  function draw() {
    const [scope, statistic] = [find(".scope").value, find(".statistic").value];
    const shown = data.panels.filter(each => each.scope === scope && each.statistic === statistic);
    find(".curves").querySelectorAll(".plot").forEach(div => Plotly.purge(div));
    const plots = shown.map(each => make("div", { className: "plot", role: "img", "aria-label": `Flatness, ${each.title}; the table below has the numbers` }));
    find(".curves").replaceChildren(...shown.map((each, index) => make("figure", {}, make("figcaption", { textContent: each.title }), plots[index])));
    shown.forEach((each, index) => explorer.plot(plots[index], each.figure.data.map(explorer.inked), each.figure.layout));
    const rows = shown.flatMap(each => each.rows.map(([method, gamma, mean, low, high]) =>
      [method, each.loss, number(gamma), number(mean), `[${number(low)}, ${number(high)}]`]));
    explorer.table(find(".numbers"), ["method", "loss", "γ", "mean", "95 % interval"], rows);
    find(".caption").textContent = data.caption = data.scopes.find(each => each.scope === scope).caption;
  }

  return { show, again: draw };
})());
