import { existsSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { asArray, asObject } from '../../agent/shared/shape.ts';

/** Above what a page takes on a machine that is busy with other tests. */
const PATIENCE_MS = 60_000;

/** Debian's Chromium, as a reader has it, but for the sandbox: tests run as root, also in containers. */
export function startBrowser(): Promise<Browser> {
  const programs = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, 'chromium'));
  const executablePath = programs.find((program) => existsSync(program));
  if (executablePath === undefined) throw new Error('Chromium is missing: run "node test/setup.mjs browser".');
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** A page, and what went wrong while it loaded. */
export interface Opened extends AsyncDisposable {
  readonly page: Page;
  /** Requests that failed or were answered with an error, and errors in the console, such as what the policy blocks. */
  readonly troubles: readonly string[];
  /** Errors of the page's own scripts. */
  readonly scriptErrors: readonly string[];
}

/** Opens a window of its own, with its own session. */
export async function openPage(browser: Browser, options: BrowserContextOptions): Promise<Opened> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(`console: ${message.text()}`);
  });
  const scriptErrors: string[] = [];
  page.on('pageerror', (error) => {
    scriptErrors.push(error.message);
  });
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText ?? '';
    // A stream that the page ends itself, when it is left.
    if (reason !== 'net::ERR_ABORTED') troubles.push(`${request.url()}: ${reason}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) troubles.push(`${response.url()}: ${response.status()}`);
  });
  return { page, troubles, scriptErrors, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe-core finds wrong for people who use a screen reader, a keyboard, or need contrast: the rule and the first place of each. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  // As an expression of the debugger, which no policy of the page keeps out.
  await page.evaluate(axe.source);
  const found = asObject(
    await page.evaluate('axe.run(document, { resultTypes: ["violations"] })'),
    'the result of axe',
  );
  return asArray(found['violations'], 'violations').map((raw) => {
    const { id, help, nodes } = asObject(raw, 'a violation');
    const [first] = asArray(nodes, 'nodes');
    return `${String(id)}: ${String(help)}: ${String(asObject(first, 'a node')['html'])}`;
  });
}
