// The console in a browser, over a running Ithaca that serves the examples travel and checkout.
//
//     node console.mjs '{"endpoint": ..., "modules": ..., "program": ..., "screenshots": ..., "pictures": ...}'
//
// endpoint     where Ithaca is
// modules      the folder in which package.json is installed
// program      the Chromium
// screenshots  the folder for a picture of every page in every look
// pictures     the folder for the pictures of the documents; left out, there are none
//
// Everything is waited for with a bound, and what failed is told at the end, all of it.

import { ACTIONS } from "./actions.mjs";
import { Browser } from "./browser.mjs";
import { firstPage, looks, pictures } from "./looks.mjs";

const PICTURE_MS = 5_000;

const told = JSON.parse(process.argv[2]);
const browser = await Browser.start(told);
const at = { browser, window: await browser.window("light") };
const failures = [];

async function step(name, run) {
  const since = Date.now();
  try {
    await run(at, told);
  } catch (error) {
    failures.push(`${name}: ${error.stack}`);
    // Each page as it was then; one that hangs has none.
    const pictures = at.window.pages().map((page, number) => page.screenshot({ path: `${told.screenshots}/failed-${name}-${number}.png`, timeout: PICTURE_MS }));
    await Promise.allSettled(pictures);
  }
  failures.push(...browser.taken().map((problem) => `${name}: ${problem}`));
  for (const page of at.window.pages()) await page.close();
  console.log(`${name} took ${Date.now() - since} ms`);
}

await step("firstPage", firstPage);
for (const [name, run] of Object.entries(ACTIONS)) await step(name, run);
await step("looks", looks);
if (told.pictures) await step("pictures", pictures);
await browser.close();

if (failures.length) {
  console.error(failures.join("\n\n"));
  process.exit(1);
}
