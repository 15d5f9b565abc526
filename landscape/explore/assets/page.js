"use strict";
/* The frame of the page: it hands data to the sections when they come into view, and dresses their figures.

   A page that was opened from the disk may load scripts and images, but not fetch files. So every result is a script
   that calls explorer.receive(key, data). */
const explorer = (() => {
  const views = {};    // section -> { show(root, data), again(), reads }
  const loads = {};    // key -> promise of its data
  const resolves = {};
  const wanted = {};   // section -> key of the result that was chosen last
  const drawn = new Set();

  function register(kind, view) { views[kind] = view; }

  function receive(key, data) { resolves[key](data); }

  function load(key) {
    loads[key] ??= new Promise((resolve, reject) => {
      resolves[key] = resolve;
      const script = make("script", { src: `data/${key}.js` });
      script.onerror = () => {
        delete loads[key];  // choosing it again tries again
        reject(new Error(`data/${key}.js is missing`));
      };
      document.head.append(script);
    });
    return loads[key];
  }

  /* An element with properties; text is never read as HTML. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.includes("-") || name === "role") element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children);
    return element;
  }

  function options(select, entries, chosen) {
    select.replaceChildren(...entries.map(([value, text]) => make("option", { value, textContent: text })));
    if (entries.some(([value]) => value === chosen)) select.value = chosen;
    select.parentElement.hidden = entries.length < 2;
    return select.value;
  }

  function start(index) {
    const first = Object.keys(views).find(kind => index.sections[kind].length);
    const observer = new IntersectionObserver(entries => entries.filter(entry => entry.isIntersecting).forEach(entry => {
      observer.unobserve(entry.target);
      open(entry.target, index.sections[entry.target.id]);
    }), { rootMargin: "400px" });
    for (const kind of Object.keys(views)) {
      const root = document.getElementById(kind);
      if (!index.sections[kind].length) {
        root.querySelector(".body").replaceChildren(make("p", { className: "line", textContent: index.missing[kind] }));
      } else if (kind === first) {
        open(root, index.sections[kind]).finally(() => watch(index, first, observer));
      }
    }
    document.querySelector(".notes").append(...index.notes.map(note => make("li", { textContent: note })));
  }

  /* The others wait until the first one is on the screen. */
  function watch(index, first, observer) {
    for (const kind of Object.keys(views)) {
      if (kind !== first && index.sections[kind].length) observer.observe(document.getElementById(kind));
    }
  }

  /* Selectors of target and result, where there are several; then the first result. */
  function open(root, results) {
    const where = root.querySelector(".choose");
    let chosen = results[0];
    if (where && results.length > 1) {
      const target = make("select"), name = make("select");
      where.append(make("label", {}, "Target ", target), make("label", {}, "Result ", name));
      const here = () => results.filter(result => result.target === target.value);
      const list = () => options(name, here().map(result => [result.key, result.name]), chosen.key);
      options(target, [...new Set(results.map(result => result.target))].map(each => [each, each || "not named"]));
      list();
      const choose = () => {
        chosen = results.find(result => result.key === name.value);
        show(root, chosen);
      };
      target.onchange = () => {
        // The same methods for another target, if they were measured.
        const same = here().find(result => result.name === chosen.name);
        if (same) chosen = same;
        list();
        choose();
      };
      name.onchange = choose;
    }
    return show(root, chosen);
  }

  /* The result that was chosen last is shown, in whatever order the data arrive. */
  async function show(root, result) {
    const body = root.querySelector(".body"), current = () => wanted[root.id] === result.key;
    wanted[root.id] = result.key;
    try {
      const data = await load(result.key);
      if (!current()) return;
      body.querySelector(".problem")?.remove();
      body.classList.remove("failed");
      await views[root.id].show(root, data);
      if (!current()) return;
      describe(root, data);
      drawn.add(root.id);
      root.dataset.shown = result.key;
    } catch (error) {
      if (current()) fail(root, body, error);
      throw error;
    }
  }

  function fail(root, body, error) {
    body.querySelector(".problem")?.remove();
    body.append(make("p", { className: "problem line", role: "alert", textContent: `Cannot show this: ${error.message}` }));
    body.classList.add("failed");
    drawn.delete(root.id);
    delete root.dataset.shown;
  }

  function describe(root, data) {
    root.querySelector(".made")?.remove();
    if (data.caption) root.querySelector(".caption").textContent = data.caption;
    if (!data.provenance) return;
    const notes = data.notes.map(note => make("li", { textContent: note }));
    root.querySelector(".body").append(make("details", { className: "made line" },
      make("summary", { textContent: "What made this result" }), make("ul", {}, ...notes),
      make("pre", { textContent: data.provenance })));
  }

  /* Figures take the page's colours. */
  function colours() {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(["paper", "raised", "ink", "faint", "line", "focus"].map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  function axis(given = {}) {
    const { faint, line } = colours();
    const look = { showline: true, ticks: "outside", showgrid: false, zeroline: false, automargin: true };
    return { ...look, linecolor: faint, tickcolor: faint, gridcolor: line, fixedrange: true, ...given };
  }

  /* What is black on white paper is white on black. */
  function inked(trace) {
    const { ink } = colours();
    const swapped = ["line", "marker"].filter(part => trace[part]?.color === "#000000")
      .map(part => [part, { ...trace[part], color: ink }]);
    return { ...trace, ...Object.fromEntries(swapped) };
  }

  function plot(div, traces, layout) {
    const { ink } = colours();
    const dressed = {
      ...layout,
      autosize: true,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...layout.font, color: ink },
      xaxis: axis(layout.xaxis),
      yaxis: axis(layout.yaxis),
    };
    return Plotly.react(div, traces, dressed, { responsive: true, displayModeBar: false });
  }

  /* One function for hover, and for the tap of a finger. */
  function onPoint(div, tell) {
    if (div.told) return;
    div.told = true;
    for (const name of ["plotly_hover", "plotly_click"]) div.on(name, event => tell(event.points[0]));
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  function onArrow(div, move) {
    div.onkeydown = event => {
      const arrow = ARROWS[event.key];
      if (!arrow && event.key !== "Escape") return;
      event.preventDefault();
      move(...(arrow ?? [0, 0]));
    };
  }

  function table(element, head, rows) {
    const cells = (tag, row, more) => make("tr", {}, ...row.map(cell => cell instanceof Node ? make(tag, more, cell) : make(tag, { ...more, textContent: cell })));
    element.replaceChildren(make("thead", {}, cells("th", head, { scope: "col" })), make("tbody", {}, ...rows.map(row => cells("td", row))));
  }

  /* A picture of the album; without one there is nothing to show but the file's name. */
  function thumb(album, place, words) {
    const side = 96;
    const inSheet = place % album.columns ** 2;
    const [x, y] = [inSheet % album.columns, Math.floor(inSheet / album.columns)];
    const picture = make("div", { className: "thumb", role: "img", "aria-label": words });
    Object.assign(picture.style, {
      backgroundImage: `url("${album.sheets[Math.floor(place / album.columns ** 2)]}")`,
      backgroundSize: `${album.columns * side}px auto`,
      backgroundPosition: `${-x * side}px ${-y * side}px`,
    });
    return picture;
  }

  function number(value, digits = 3) {
    if (value === null || value === undefined) return "–";
    return Number.isInteger(value) ? String(value) : Number(value.toPrecision(digits)).toString();
  }

  /* The button overrules the system's choice, and is remembered where the browser allows it. */
  function themeButton() {
    const button = document.getElementById("theme"), system = matchMedia("(prefers-color-scheme: dark)");
    const root = document.documentElement;
    const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
    const refresh = () => {
      button.setAttribute("aria-pressed", String(isDark()));
      drawn.forEach(kind => views[kind].again?.());
    };
    try { root.dataset.theme = localStorage.getItem("theme") ?? ""; } catch { /* not for pages from the disk */ }
    button.onclick = () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* likewise */ }
      refresh();
    };
    system.addEventListener("change", refresh);
    refresh();
  }

  themeButton();
  return { register, receive, start, make, options, colours, inked, plot, onPoint, onArrow, table, thumb, number };
})();
