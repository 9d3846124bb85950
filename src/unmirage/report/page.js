// Draws the charts of the page. Every definition is in the page; nothing is fetched.
(() => {
  "use strict";
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const charts = [...document.querySelectorAll("[data-chart]")];
  const specs = new Map(charts.map((box) => [box, JSON.parse(document.getElementById(box.dataset.chart).textContent)]));
  const drawn = new Map();
  const GAP = 22;
  const AXIS = 46; // y-axis labels left of each panel
  const LABELS = 52; // line labels right of the headline's panel, and the chart's padding
  const NARROWEST = 200;

  // The definition is the one of the image files; only its columns and widths follow the window, and the
  // section's own heading stands for its title.
  function fitted(spec, width) {
    const n = spec.concat.length;
    const room = width - LABELS + GAP;
    let columns = Math.max(1, Math.min(n, Math.floor(room / (NARROWEST + AXIS + GAP))));
    if (n === 4 && columns === 3) columns = 2;
    const each = Math.floor(room / columns) - AXIS - GAP;
    const panelWidth = Math.max(NARROWEST, Math.min(each, 420));
    const { title, ...rest } = spec;
    return { ...rest, columns, concat: spec.concat.map((one) => ({ ...one, width: panelWidth })) };
  }

  async function draw(box) {
    const width = box.clientWidth;
    if (drawn.get(box)?.width === width) return;
    const earlier = drawn.get(box);
    drawn.set(box, { width });
    try {
      const result = await vegaEmbed(box, fitted(specs.get(box), width), {
        renderer: "svg",
        actions: false,
        ast: true, // expressions are interpreted, so the page needs no permission to evaluate code
        config: { ...config, background: "transparent", padding: 4 },
        defaultStyle: false,
        tooltip: { disableDefaultStyle: true },
      });
      earlier?.finalize?.();
      drawn.set(box, { width, finalize: result.finalize });
      box.classList.add("drawn");
    } catch (problem) {
      box.textContent = "The chart could not be drawn; its numbers are in the table below.";
      box.classList.add("drawn");
      console.error(problem);
    }
  }

  const drawAll = () => Promise.all(charts.map(draw));

  // A chart is drawn when it is at most this many pixels below the window.
  const AHEAD = 800;
  const near = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      near.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: `${AHEAD}px` },
  );
  charts.forEach((box) => {
    if (box.getBoundingClientRect().top < window.innerHeight + AHEAD) draw(box);
    else near.observe(box);
  });

  // Charts that nobody has scrolled to are drawn one by one while the page is idle: printing does not wait for
  // scripts, and so finds them all there.
  const idle = window.requestIdleCallback
    ? (work) => window.requestIdleCallback(work, { timeout: 100 })
    : (work) => setTimeout(work, 50);
  const rest = [...charts];
  const next = () => {
    const box = rest.shift();
    if (box) draw(box).then(() => idle(next));
  };
  idle(next);

  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => [...drawn.keys()].forEach(draw), 150);
  });

  let opened = [];
  window.addEventListener("beforeprint", () => {
    drawAll();
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
})();
