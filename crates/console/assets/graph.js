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

// Of the natural size, at which labels have twelve pixels.
const LEGIBLE = 0.65;
const LEAST = 0.15;
const MOST = 4;

class Graph {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector(".canvas");
    this.svg = figure.querySelector("svg.ithaca-graph");
    if (!this.svg) return;
    const { width, height } = this.svg.viewBox.baseVal;
    this.whole = { width, height };
    // While nobody has moved it, it follows the execution.
    this.follows = true;
    for (const button of figure.querySelectorAll("[hidden]")) button.hidden = false;
    figure.querySelector("[data-zoom=in]").onclick = () => this.zoom(1.3);
    figure.querySelector("[data-zoom=out]").onclick = () => this.zoom(1 / 1.3);
    figure.querySelector("[data-zoom=fit]").onclick = () => this.fit();
    figure.querySelector("[data-png]").onclick = () => this.png();
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("dragstart", (event) => event.preventDefault());
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    document.addEventListener("ithaca:status", (event) => {
      paint(this.svg, event.detail);
      this.follow();
    });
    document.addEventListener("ithaca:replaced", () => this.choose());
    // Where there is little room, a part that can be read is better than a whole that cannot.
    if (this.scale < LEGIBLE) {
      this.resize(LEGIBLE + 0.1);
      [this.canvas.scrollLeft, this.canvas.scrollTop] = [0, 0];
    }
    this.choose();
    this.follow();
  }

  get scale() {
    return this.svg.getBoundingClientRect().width / this.whole.width;
  }

  // Larger or smaller, with the place under `at` (in the window) staying where it is.
  resize(scale, at) {
    const view = this.canvas.getBoundingClientRect();
    const point = at ?? { x: view.left + view.width / 2, y: view.top + view.height / 2 };
    const before = this.svg.getBoundingClientRect();
    const share = { x: (point.x - before.left) / before.width, y: (point.y - before.top) / before.height };
    this.canvas.classList.add("zoomed");
    this.svg.setAttribute("width", this.whole.width * scale);
    this.svg.setAttribute("height", this.whole.height * scale);
    const after = this.svg.getBoundingClientRect();
    this.canvas.scrollLeft += after.left + share.x * after.width - point.x;
    this.canvas.scrollTop += after.top + share.y * after.height - point.y;
  }

  zoom(by, at) {
    this.resize(Math.min(MOST, Math.max(LEAST, this.scale * by)), at);
  }

  fit() {
    const room = 32;
    const { clientWidth, clientHeight } = this.canvas;
    this.resize(Math.min(1, (clientWidth - room) / this.whole.width, (Math.max(clientHeight, 320) - room) / this.whole.height));
  }

  // Without a modifier the wheel scrolls, as people expect.
  wheel(event) {
    this.follows = false;
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1.12 : 1 / 1.12, { x: event.clientX, y: event.clientY });
  }

  grab(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    const from = { x: event.clientX, y: event.clientY, left: this.canvas.scrollLeft, top: this.canvas.scrollTop };
    let moved = false;
    const move = (now) => {
      const [dx, dy] = [now.clientX - from.x, now.clientY - from.y];
      if (!moved && Math.hypot(dx, dy) < 4) return;
      moved = true;
      this.follows = false;
      this.canvas.classList.add("held");
      this.canvas.scrollLeft = from.left - dx;
      this.canvas.scrollTop = from.top - dy;
    };
    const end = () => {
      removeEventListener("pointermove", move);
      this.canvas.classList.remove("held");
      if (!moved) return;
      // A drag is no click on what lies under its end.
      const swallow = (click) => { click.preventDefault(); click.stopPropagation(); };
      addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
  }

  // Brings the state that goes on, or the chosen one, into the frame of a drawing that is larger than it.
  follow() {
    if (!this.follows) return;
    const state = this.svg.querySelector(".waiting:not(.container), .in-progress:not(.container)") ?? this.svg.querySelector(".chosen");
    if (!state) return;
    const [view, box] = [this.canvas.getBoundingClientRect(), state.getBoundingClientRect()];
    if (box.top < view.top || box.bottom > view.bottom) this.canvas.scrollTop += box.top - view.top - view.height / 3;
    if (box.left < view.left || box.right > view.right) this.canvas.scrollLeft += box.left - view.left - view.width / 3;
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
