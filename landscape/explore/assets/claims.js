"use strict";
/* The claims ledger: what the papers claim, and what these runs say. */
explorer.register("claims", (() => {
  const { make, number } = explorer;
  const SIGNS = { "supported": "✓", "not supported": "✗", "undecided": "?", "waiting": "…" };
  let root, claims;

  function show(where, given) {
    root = where;
    claims = given.claims;
    const verdicts = Object.keys(SIGNS).filter(verdict => claims.some(claim => claim.verdict === verdict));
    const count = verdict => claims.filter(claim => claim.verdict === verdict).length;
    const select = root.querySelector(".verdict");
    explorer.options(select, [["", `all (${claims.length})`], ...verdicts.map(verdict => [verdict, `${verdict} (${count(verdict)})`])]);
    select.onchange = draw;
    draw();
  }

  function estimate(claim) {
    if (claim.estimate === null) return "–";
    const interval = claim.low === null || claim.high === null ? "" : ` [${number(claim.low)}, ${number(claim.high)}]`;
    return `${number(claim.estimate)}${interval} ${claim.unit ?? ""}`.trim();
  }

  function row(claim) {
    const seeds = [claim.seeds ?? []].flat().join(", ") || "–";
    const cells = [
      ["", make("span", {}, make("b", { textContent: `${claim.claim} ` }), make("small", { textContent: `${claim.paper}, ${claim.place} (${claim.id})` }))],
      ["verdict", make("span", { className: "badge", textContent: `${SIGNS[claim.verdict]} ${claim.verdict}` })],
      ["estimate", make("span", {}, make("span", { className: "estimate", textContent: estimate(claim) }), make("small", { textContent: claim.statistic }))],
      ["n; seeds", `${claim.n ?? "–"}; ${seeds}`],
      ["setting", claim.setting],
      ["why", make("span", {}, claim.why, make("small", {}, make("code", { textContent: claim.command })))],
    ];
    return make("tr", {}, ...cells.map(([name, content]) => make("td", name ? { "data-name": name } : {}, content)));
  }

  function draw() {
    const verdict = root.querySelector(".verdict").value;
    const shown = claims.filter(claim => !verdict || claim.verdict === verdict);
    root.querySelector(".said").textContent = `${shown.length} of ${claims.length} claims`;
    const head = ["claim", "verdict", "estimate", "n; seeds", "setting", "why"].map(name => make("th", { textContent: name, scope: "col" }));
    root.querySelector(".ledger").replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...shown.map(row)));
  }

  return { show };
})());
