"use strict";
(async () => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  async function unpackPlotly() {
    const packed = document.getElementById("plotly").textContent;
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  function say(plot, text) {
    const line = document.createElement("p");
    line.className = "quiet";
    line.textContent = text;
    plot.replaceChildren(line);
    plot.style.height = "auto";
  }

  const drawn = new Map();
  function draw(plot) {
    if (!drawn.has(plot)) {
      const figure = read(plot.dataset.figure);
      const layout = figure.layout;
      // on a touch screen a drag must scroll the page
      if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
      const options = { responsive: true, displayModeBar: false, doubleClick: "reset" };
      const work = Plotly.newPlot(plot, figure.data, layout, options).then(() => {
        if (figure.panel) watchItems(plot, figure);
      });
      drawn.set(plot, work.catch((error) => say(plot, `This chart could not be drawn: ${error.message}`)));
    }
    return drawn.get(plot);
  }

  const card = document.getElementById("card");
  const [cardThumb, cardText] = card.children;
  function watchItems(plot, figure) {
    const holder = all("script.items", plot.closest(".planes"))[0];
    const items = JSON.parse(holder.textContent);
    plot.on("plotly_hover", (event) => {
      const point = event.points[0];
      const domain = point.data.meta.domain;
      fillCard(items, figure.panel[domain], domain, point.customdata, holder.dataset.key);
      placeCard(point, plot);
    });
    plot.on("plotly_unhover", () => { card.hidden = true; });
  }

  function fillCard(items, panel, domain, index, key) {
    const mine = items[domain];
    const lines = [mine.names[index], domain, ...(mine.lines ? mine.lines[index] : [])];
    if (panel) {
      const confidence = Math.round(100 * panel.confidence[index]);
      lines.push(`predicted ${items.classes[panel.predicted[index]]}, ${confidence}%`);
    }
    if (mine.labels) {
      lines.push(`label ${items.classes[mine.labels[index]]}${domain === "target" ? " (oracle)" : ""}`);
    }
    cardText.replaceChildren(...lines.map((line) => {
      const paragraph = document.createElement("p");
      paragraph.textContent = line;
      return paragraph;
    }));
    cardThumb.hidden = !mine.cells;
    if (mine.cells) {
      cardThumb.className = `thumb ${key}-${domain}`;
      cardThumb.style.setProperty("--x", mine.cells[index][0]);
      cardThumb.style.setProperty("--y", mine.cells[index][1]);
    }
  }

  function placeCard(point, plot) {
    const box = plot.getBoundingClientRect();
    const x = box.left + point.xaxis._offset + point.xaxis.c2p(point.x);
    const y = box.top + point.yaxis._offset + point.yaxis.c2p(point.y);
    card.hidden = false;
    const { width, height } = card.getBoundingClientRect();
    const left = Math.max(8, Math.min(x + 14, document.documentElement.clientWidth - width - 8));
    const top = y + 14 + height > window.innerHeight ? y - height - 14 : y + 14;
    card.style.left = `${left + window.scrollX}px`;
    card.style.top = `${top + window.scrollY}px`;
  }

  function showTraces(plots, traces, visible) {
    return Promise.all(plots.map(async (plot) => {
      await draw(plot);
      await Plotly.restyle(plot, { visible }, traces);
    }));
  }

  function toggleTrace(button) {
    const visible = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(visible));
    const scope = button.closest("figure") || button.closest(".planes");
    showTraces(all(".plot", scope), button.dataset.traces.split(" ").map(Number), visible);
  }

  function colourBy(button) {
    const scope = button.closest(".planes");
    const colouring = button.dataset.colouring;
    for (const other of all(".switch button", scope)) other.setAttribute("aria-pressed", String(other === button));
    const parts = all(".legend, p[data-colouring], g[data-colouring]", scope);
    for (const part of parts) part.toggleAttribute("hidden", part.dataset.colouring !== colouring);
    for (const entry of all(".legend button", scope)) entry.setAttribute("aria-pressed", "true");
    for (const plot of all(".plot", scope)) {
      draw(plot).then(() => Plotly.restyle(plot, { visible: plot.data.map((trace) => trace.meta.colouring === colouring) }));
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.traces) toggleTrace(button);
    else if (button && button.dataset.colouring) colourBy(button);
  });

  function unfoldTarget() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const part = target && target.querySelector(":scope > details");
    if (part) { part.open = true; target.scrollIntoView(); }
  }
  addEventListener("hashchange", unfoldTarget);
  unfoldTarget();
  // a second click on the same link changes no hash
  for (const link of all("nav a")) link.addEventListener("click", () => setTimeout(unfoldTarget));

  const plots = all(".plot");
  try {
    await unpackPlotly();
  } catch (error) {
    for (const plot of plots) say(plot, `${plot.getAttribute("aria-label")} (This browser could not draw the chart: ${error.message})`);
    return;
  }
  // charts are drawn when they come near the window, so that a page with many runs opens at once
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "600px" });
  for (const plot of plots) watcher.observe(plot);
  // a page on paper cannot be unfolded
  addEventListener("beforeprint", () => {
    for (const part of all("details")) part.open = true;
    plots.forEach(draw);
  });
})();
