// Drives Chromium for the tests. Each line on standard input is a command as JSON, and each line on standard output an answer.
"use strict";
const [, , modules, executablePath, endIn] = process.argv;
const load = require("module").createRequire(modules + "/");
const { chromium } = load("playwright-core");
const axe = load("axe-core");
const lines = require("readline").createInterface({ input: process.stdin });

const tabs = new Map(); // number to { page, status }
let browser;

const commands = {
  async open({ width, js }) {
    const context = await browser.newContext({ viewport: { width, height: 800 }, javaScriptEnabled: js });
    const tab = { page: await context.newPage(), status: 0, js };
    tab.page.setDefaultTimeout(20000);
    tab.page.on("response", (r) => {
      if (r.request().isNavigationRequest() && r.frame() === tab.page.mainFrame()) tab.status = r.status();
    });
    tabs.set(tabs.size + 1, tab);
    return tabs.size;
  },
  async close({ page }) { await page.context().close(); },
  async goto({ page, url }) { await page.goto(url); },
  async fill({ page, label, value }) { await page.getByLabel(label, { exact: true }).fill(value); },
  // Fills in fields by their names, as the browser scripts of shops do.
  async fillNamed({ page, name, value }) { await page.locator(`[name="${name}"]`).fill(value); },
  async selectNamed({ page, name, value }) { await page.locator(`[name="${name}"]`).selectOption(value); },
  async clickOn({ page, selector }) { await page.locator(selector).click(); },
  async visible({ page, selector }) { return page.locator(selector).isVisible(); },
  async value({ page, label }) { return page.getByLabel(label, { exact: true }).inputValue(); },
  async check({ page, label }) { await page.getByRole("radio", { name: label }).check(); },
  async select({ page, label, value }) { await page.getByLabel(label, { exact: true }).selectOption(value); },
  async click({ page, within, role, name }) {
    const root = within ? page.locator(within) : page;
    await root.getByRole(role, { name, exact: true }).first().click();
  },
  async key({ page, key }) { await page.keyboard.press(key); },
  // Presses Enter and waits for the next page.
  async enter({ page }) {
    const loaded = page.waitForEvent("load");
    await page.keyboard.press("Enter");
    await loaded;
  },
  async type({ page, text }) { await page.keyboard.type(text); },
  // Returns the ID of the focused element, or else its label or the beginning of its text.
  async focused({ page }) {
    return page.evaluate("(e => e.id || e.ariaLabel || e.textContent.trim().slice(0, 80))(document.activeElement)");
  },
  async text({ page }) { return page.locator("body").innerText(); },
  async url({ page }) { return page.url(); },
  async status({ tab }) { return tab.status; },
  async waitText({ page, text }) { await page.getByText(text).first().waitFor(); },
  async waitURL({ page, prefix }) { await page.waitForURL((u) => u.href.startsWith(prefix)); },
  async screenshot({ page, path }) {
    for (const colorScheme of ["dark", "light"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${path}-${colorScheme}.png`, fullPage: true });
    }
  },
  async audit({ page, tab }) {
    // axe-core needs JavaScript and would wait for ever without it. So it audits a copy of the page as it is now.
    const looked = tab.js ? page : await copyOf(page);
    const found = [];
    let rules = 0;
    for (const [colorScheme, which] of [["light", ""], ["dark", ", runOnly: ['color-contrast', 'link-in-text-block']"]]) {
      await looked.emulateMedia({ colorScheme });
      if (!await looked.evaluate("'axe' in window")) await looked.evaluate(axe.source); // loading axe takes half of the time
      const result = await looked.evaluate(`axe.run(document, { resultTypes: ['violations']${which} })`);
      rules += result.passes.length + result.violations.length;
      for (const v of result.violations) {
        found.push(`${v.id} (${colorScheme}): ${v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary).join("; ").replace(/\s+/g, " ")}`);
      }
    }
    await looked.emulateMedia({ colorScheme: "light" });
    const overflow = await looked.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    if (looked !== page) await looked.context().close();
    return { found, rules, overflow };
  },
};

async function copyOf(page) {
  const html = await contentOf(page);
  const context = await browser.newContext({ viewport: page.viewportSize() });
  const copy = await context.newPage();
  await copy.route("**/*", (route) => {
    if (route.request().isNavigationRequest()) return route.fulfill({ contentType: "text/html; charset=utf-8", body: html });
    return route.request().resourceType() === "script" ? route.abort() : route.continue();
  });
  await copy.goto(page.url());
  return copy;
}

async function contentOf(page) {
  for (;;) {
    try {
      return await page.content();
    } catch (e) {
      if (!/navigat/.test(e.message)) throw e;
      await page.waitForLoadState(); // the page reloads itself
    }
  }
}

const limit = 60000; // the longest time for a command, in milliseconds

async function answer({ id, run, tab, ...rest }) {
  try {
    const used = tabs.get(tab);
    const late = new Promise((_, reject) => setTimeout(reject, limit, new Error(run + " takes too long")).unref());
    const value = await Promise.race([commands[run]({ ...rest, tab: used, page: used && used.page }), late]);
    process.stdout.write(JSON.stringify({ id, value: value === undefined ? null : value }) + "\n");
  } catch (e) {
    process.stdout.write(JSON.stringify({ id, error: String(e.message || e) }) + "\n");
  }
}

(async () => {
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  process.stdout.write(JSON.stringify({ id: 0, value: browser.version() }) + "\n");
  for await (const line of lines) answer(JSON.parse(line));
  // A browser that hangs is killed: Playwright does that when this process exits.
  setTimeout(() => {
    process.stderr.write("chromium does not end by itself\n");
    process.exit(1);
  }, Number(endIn)).unref();
  await browser.close();
})().catch((e) => {
  process.stderr.write(String(e) + "\n");
  process.exit(1);
});
