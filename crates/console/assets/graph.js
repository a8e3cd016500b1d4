// A drawing that moves: statuses painted as they come, pan, zoom, fit, and saved as a picture.
// The drawing itself is laid out by Ithaca; nothing here knows what a state machine is.

const find = (root, name, value) => [...root.querySelectorAll(`[${name}]`)].find((element) => element.getAttribute(name) === value);

// Paints the status of each state and the ways that were taken.
export function paint(svg, { nodes, ways }) {
  svg.classList.toggle("marked", Object.keys(nodes).length > 0);
  for (const state of svg.querySelectorAll("g[data-state]")) {
    const node = nodes[state.dataset.state];
    const status = node?.status ?? "none";
    if (state.dataset.status !== status) {
      state.classList.replace(state.dataset.status, status) || state.classList.add(status);
      state.dataset.status = status;
      const own = state.querySelector(":scope > .sign");
      const sign = svg.querySelector(`[data-sign="${status}"]`);
      if (sign) own?.setAttribute("d", sign.getAttribute("d"));
    }
    if (!node) continue;
    const attempts = state.querySelector(":scope > .attempts-text");
    if (attempts) {
      attempts.textContent = `${node.attempts} attempts`;
      for (const element of state.querySelectorAll(":scope > .attempts, :scope > .attempts-text")) {
        element.classList.toggle("few", node.attempts < 2);
      }
    }
    const remark = state.querySelector(":scope > .remark");
    if (remark && node.note) remark.textContent = node.note;
    const title = state.querySelector(":scope > title");
    const [name, ...facts] = title.textContent.split("\n");
    title.textContent = [name, node.words, ...facts.filter((fact) => !fact.startsWith("Now: "))].join("\n");
  }
  const taken = new Set(ways.map(([from, to]) => `${from}\n${to}`));
  for (const edge of svg.querySelectorAll(".edge")) {
    edge.classList.toggle("taken", taken.has(`${edge.dataset.from}\n${edge.dataset.to}`));
  }
}

const MOST = 6;

class Graph {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector(".canvas");
    this.svg = figure.querySelector("svg.ithaca-graph");
    if (!this.svg) return;
    const { width, height } = this.svg.viewBox.baseVal;
    this.whole = { width, height };
    this.view = null;
    for (const button of figure.querySelectorAll("[hidden]")) button.hidden = false;
    figure.querySelector("[data-zoom=in]").onclick = () => this.zoom(1.4);
    figure.querySelector("[data-zoom=out]").onclick = () => this.zoom(1 / 1.4);
    figure.querySelector("[data-zoom=fit]").onclick = () => this.fit();
    figure.querySelector("[data-png]").onclick = () => this.png();
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    document.addEventListener("ithaca:status", (event) => paint(this.svg, event.detail));
    document.addEventListener("ithaca:replaced", () => this.choose());
    this.choose();
  }

  // Which part is seen: the whole until somebody zooms.
  show(view) {
    const { width, height } = this.whole;
    const w = Math.min(width * 1.2, Math.max(width / MOST, view.w));
    const h = (w / width) * height;
    this.view = {
      w, h,
      x: Math.min(width - w * 0.2, Math.max(-w * 0.8, view.x)),
      y: Math.min(height - h * 0.2, Math.max(-h * 0.8, view.y)),
    };
    this.svg.setAttribute("viewBox", `${this.view.x} ${this.view.y} ${this.view.w} ${this.view.h}`);
  }

  fit() {
    this.view = null;
    this.svg.setAttribute("viewBox", `0 0 ${this.whole.width} ${this.whole.height}`);
  }

  seen() {
    return this.view ?? { x: 0, y: 0, w: this.whole.width, h: this.whole.height };
  }

  zoom(by, at = { x: 0.5, y: 0.5 }) {
    const { x, y, w, h } = this.seen();
    this.show({ x: x + w * at.x * (1 - 1 / by), y: y + h * at.y * (1 - 1 / by), w: w / by, h: h / by });
  }

  // Without a modifier the wheel scrolls the page, as people expect.
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.svg.getBoundingClientRect();
    const at = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, at);
  }

  grab(event) {
    if (event.button !== 0) return;
    const from = { x: event.clientX, y: event.clientY, view: this.seen() };
    const box = this.svg.getBoundingClientRect();
    let moved = false;
    const move = (now) => {
      const [dx, dy] = [now.clientX - from.x, now.clientY - from.y];
      if (!moved && Math.hypot(dx, dy) < 4) return;
      moved = true;
      this.canvas.classList.add("held");
      const { x, y, w, h } = from.view;
      this.show({ x: x - (dx / box.width) * w, y: y - (dy / box.height) * h, w, h });
    };
    const end = () => {
      removeEventListener("pointermove", move);
      this.canvas.classList.remove("held");
      // A drag is no click on what lies under its end.
      if (moved) addEventListener("click", (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
  }

  // Marks the state whose details are shown.
  choose() {
    const name = document.querySelector("[data-chosen]")?.dataset.chosen;
    for (const state of this.svg.querySelectorAll("g.chosen")) state.classList.remove("chosen");
    if (name) find(this.svg, "data-state", name)?.classList.add("chosen");
  }

  // The file that the link beside gives, painted by the browser.
  async png() {
    const link = this.figure.querySelector("a[download]");
    const text = await (await fetch(link.href)).text();
    const image = new Image();
    const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    await new Promise((done, failed) => {
      image.onload = done;
      image.onerror = failed;
      image.src = address;
    });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth * 2, image.naturalHeight * 2];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(address);
    const save = document.createElement("a");
    save.href = canvas.toDataURL("image/png");
    save.download = link.download.replace(/\.svg$/, ".png");
    save.click();
  }
}

for (const figure of document.querySelectorAll("figure.graph")) new Graph(figure);
