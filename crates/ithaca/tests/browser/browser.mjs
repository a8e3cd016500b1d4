// A Chromium, and what of its pages is a mistake wherever it happens: an error in the console or in a script, something
// that the policy of the pages refused, a request to somewhere else.

import { createRequire } from "node:module";
import { join } from "node:path";

/** How long anything may take to show. Generous: what is tested is that it comes, not how fast. */
export const BOUND_MS = 30_000;

export const LOOKS = {
  light: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true, isMobile: true },
};

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

export class Browser {
  /** Packages are in `modules`, pages at `endpoint`. */
  static async start({ program, modules, endpoint }) {
    const packages = createRequire(join(modules, "package.json"));
    const { chromium } = packages("playwright-core");
    const inner = await chromium.launch({ executablePath: program, args: FLAGS });
    return new Browser(inner, packages("axe-core").source, endpoint);
  }

  constructor(inner, axe, endpoint) {
    Object.assign(this, { inner, axe, endpoint, problems: [] });
  }

  /** A new window with nothing remembered. */
  async window(look) {
    const window = await this.inner.newContext({ ...LOOKS[look], reducedMotion: "reduce", baseURL: this.endpoint });
    window.setDefaultTimeout(BOUND_MS);
    await window.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
    window.on("page", (page) => this.listen(page));
    return window;
  }

  listen(page) {
    const note = (what) => this.problems.push(`${page.url()}: ${what}`);
    page.on("pageerror", (error) => note(error));
    // With which status a page itself is answered is judged by who opens it; browsers write it into the console.
    const opened = new Set();
    const isOfPage = (message) => message.text().startsWith("Failed to load resource") && opened.has(message.location().url);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !isOfPage(message)) note(message.text());
    });
    page.on("request", (request) => {
      if (request.isNavigationRequest()) opened.add(request.url());
      const url = request.url();
      if (!["data:", "blob:"].some((scheme) => url.startsWith(scheme)) && !url.startsWith(this.endpoint)) note(`asks for ${url}`);
    });
  }

  /** What was noted since the last time. */
  taken() {
    return this.problems.splice(0);
  }

  close() {
    return this.inner.close();
  }
}

export function check(is, words) {
  if (!is) throw new Error(words);
}
