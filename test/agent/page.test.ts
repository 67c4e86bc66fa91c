import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY, type RunningAgent } from '../support/agent.ts';
import { accessibilityProblems, openPage, startBrowser, type Opened } from '../support/browser.ts';
import { until } from '../support/until.ts';
import { metricsUnit, startWorld, type World } from '../support/world.ts';
import { httpUnit } from '../support/unit.ts';

const USER = { username: GATEWAY.GATEWAY_USERNAME, password: GATEWAY.GATEWAY_PASSWORD };

/** How often the page refreshes itself. */
const REFRESH_MS = 10_000;

const brokenUnit = httpUnit(() => (_request, response) => {
  response.writeHead(500).end('no metrics today');
});

/** What is written in the fields of a page, whatever they are made of. */
async function textsIn(page: Page): Promise<readonly string[]> {
  const script =
    '[...document.querySelectorAll("textarea, input, .cm-content")].map((field) => field.value ?? field.textContent)';
  return page.evaluate<readonly string[]>(script);
}

/** The pages of Prometheus' UI, by the address of its page of queries. */
function uiPages(queries: string): readonly string[] {
  const both = ['targets', 'alerts', 'rules', 'config', 'status', 'flags', 'service-discovery'];
  if (queries.startsWith('/classic')) return both.map((name) => `/classic/${name}`);
  const more = queries.startsWith('/query')
    ? ['alertmanager-discovery', 'tsdb-status', 'query']
    : ['tsdb-status', 'graph'];
  return [...both, ...more].map((name) => `/${name}`);
}

describe('the status page', () => {
  const stack = new AsyncDisposableStack();
  let browser: Browser;
  let world: World;
  let agent: RunningAgent;
  let url: string;

  before(async () => {
    browser = stack.adopt(await startBrowser(), (started) => started.close());
    world = stack.use(
      await startWorld({
        images: (name) => ({
          processes: name.includes('broken') ? { web: brokenUnit } : { web: metricsUnit },
        }),
      }),
    );
    const { app } = world.instance;
    await world.bindNew(app);
    await set({});
    await world.annotate(app, {
      'prometheus-service/plan': 'small',
      'prometheus-service/instance': 'prometheus-instance=prometheus/my-instance',
    });
    const host = freeAddress();
    url = `http://${host}:8888`;
    ({ agent } = await world.startSupervised({
      env: { TSURU_APPNAME: app, AGENT_GATEWAY_ADDRESS: host, PORT: '8888' },
    }));
  });
  after(() => stack.disposeAsync());

  /** As the broker sets what users give. */
  function set(settings: Readonly<Record<string, string>>): Promise<void> {
    const all = { scrape_interval: '1s', ...settings };
    return world.annotate(world.instance.app, { [SETTINGS_ANNOTATION]: JSON.stringify(all) });
  }

  function open(options: BrowserContextOptions = {}): Promise<Opened> {
    return openPage(browser, { httpCredentials: USER, ...options });
  }

  it('has a page for those who do not give the password, without a word of the instance', async () => {
    await using opened = await openPage(browser, {});
    const { page, troubles } = opened;
    // The browser that tests drive shows no page where it is asked for a password that it does not have.
    await page.route(url, async (route) => {
      const answer = await fetch(url, { headers: { accept: 'text/html' } });
      const { 'www-authenticate': asked, ...headers } = Object.fromEntries(answer.headers);
      assert.match(asked ?? '', /^Basic/);
      await route.fulfill({ status: answer.status, headers, body: await answer.text() });
    });
    await page.goto(url);
    await page.getByRole('heading', { name: 'Log in to see this instance' }).waitFor();
    assert.equal(await page.evaluate('getComputedStyle(document.querySelector("main")).borderRadius'), '12px');
    assert.deepEqual(await accessibilityProblems(page), []);
    assert.doesNotMatch(await page.content(), /my-instance/);
    assert.deepEqual(
      troubles.filter((trouble) => !trouble.includes('401')),
      [],
    );
  });

  it('shows an app with its units after its bind, without a reload', async () => {
    await using opened = await open();
    const { page, troubles, scriptErrors } = opened;
    await page.goto(url);
    await page.getByRole('heading', { name: 'no app is bound yet' }).waitFor();
    await page.getByText('tsuru service-instance-bind prometheus my-instance -a my-app').waitFor();
    await world.bindNew('my-app', 2);
    await agent.poll();
    await page.getByRole('heading', { name: 'All 2 units that should be scraped are up' }).waitFor();
    const [unit] = world.tsuru.units('my-app');
    const table = page.getByRole('table', { name: 'Units of my-app' });
    await table.getByText(unit?.name ?? '').waitFor();
    await table.getByText(`${unit?.host ?? ''}:8888`).waitFor();
    await page.getByText('my-app: bound, 2 units added, 2 scraped').waitFor();
    await page.getByText('small', { exact: true }).waitFor();
    assert.deepEqual([troubles, scriptErrors], [[], []]);
  });

  it('shows why a unit is down, why one is not scraped, and the command that changes it', async () => {
    await world.bindNew('checkout', 1, 'shop/broken:1');
    await world.bindNew('search', 1, 'shop/quiet:1');
    await world.annotate('search', { 'prometheus.io/scrape': 'false' });
    await agent.poll();
    await using opened = await open();
    const { page, troubles } = opened;
    await page.goto(`${url}/tsuru/status`);
    await page.getByRole('heading', { name: '1 of 4 units is down' }).waitFor();
    await page.getByText('server returned HTTP status 500').first().waitFor();
    await page.locator('code', { hasText: /^tsuru app-log -a checkout$/ }).waitFor();
    await page
      .locator('code', { hasText: 'tsuru metadata set -a search -p web -t annotation prometheus.io/scrape=true' })
      .waitFor();
    assert.deepEqual(troubles, []);
  });

  it('shows the units of a state by a link, and those of an app by a form, and stays with them', async () => {
    await using opened = await open();
    const { page, troubles } = opened;
    await page.clock.install();
    await page.goto(url);
    await page.getByRole('link', { name: /^down/ }).click();
    await page.waitForURL('**/?state=down');
    assert.equal(await page.getByRole('table', { name: /^Units of/ }).count(), 1);
    await page.getByRole('table', { name: 'Units of checkout' }).waitFor();
    await page.getByRole('link', { name: /^all/ }).click();
    await page.getByRole('combobox', { name: 'App' }).selectOption('my-app');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.waitForURL('**/?app=my-app');
    await page.getByRole('table', { name: 'Units of my-app' }).waitFor();
    const [unit] = world.tsuru.units('my-app');
    await page.getByRole('link', { name: unit?.name ?? '' }).focus();
    await page.evaluate('document.querySelector("#refreshed").textContent = ""');
    await page.clock.runFor(REFRESH_MS);
    await page.getByText(/^Updated/).waitFor();
    assert.equal(await page.evaluate('document.activeElement.textContent'), unit?.name, 'the focus is lost');
    assert.equal(await page.getByRole('table', { name: /^Units of/ }).count(), 1);
    assert.deepEqual(troubles, []);
  });

  it("shows settings that are refused with promtool's message", async () => {
    await set({ rules: 'groups: [{name: a, rules: [{alert: A, expr: "sum(("}]}]' });
    await agent.poll();
    await using opened = await open();
    const { page, troubles } = opened;
    await page.goto(url);
    await page.getByRole('heading', { name: 'Refused settings' }).waitFor();
    await page.locator('pre', { hasText: /could not parse expression: .*parse error/ }).waitFor();
    assert.deepEqual(troubles, []);
  });

  it('says since when it is not refreshed while the instance is away', async () => {
    await using opened = await open();
    const { page } = opened;
    await page.clock.install();
    await page.goto(url);
    await page.route('**/*', (route) => route.abort());
    await page.clock.runFor(REFRESH_MS);
    await page.getByText(/^Not updated since .*: Failed to fetch/).waitFor();
    await page.unroute('**/*');
    await page.clock.runFor(REFRESH_MS);
    await page.getByText(/^Updated/).waitFor();
  });

  it('is whole without JavaScript', async () => {
    await using opened = await open({ javaScriptEnabled: false });
    const { page, troubles } = opened;
    await page.goto(url);
    await page.getByRole('table', { name: 'Units of checkout' }).waitFor();
    await page.getByText(/In sync since \d\d:\d\d UTC/).waitFor();
    assert.deepEqual(troubles, []);
  });

  it('leads to queries of Prometheus that are filled in, and each page of its UI loads whole', async () => {
    await using opened = await open();
    const { page, troubles } = opened;
    await page.goto(url);
    const [unit] = world.tsuru.units('my-app');
    await page.getByRole('link', { name: unit?.name ?? '' }).click();
    const expression = `up{tsuru_app="my-app",instance="${unit?.name ?? ''}"}`;
    await page.waitForURL(
      ({ pathname, searchParams }) => /\/(?:query|graph)$/.test(pathname) && searchParams.get('g0.expr') === expression,
    );
    // A Prometheus that was built without its UI has that address, too, and nothing to show there.
    if (troubles.length > 0 && (await page.content()).includes('Error opening React index.html')) return;
    await until('the query to be filled in', async () =>
      (await textsIn(page)).some((text) => text.includes(expression)),
    );
    await page.goto(url);
    const links = await page.getByRole('navigation', { name: 'Prometheus' }).getByRole('link').all();
    const addresses = await Promise.all(links.map((link) => link.getAttribute('href')));
    assert.equal(addresses.length, 5);
    for (const address of new Set([...addresses, ...uiPages(addresses[0] ?? '')])) {
      await page.goto(`${url}${address ?? ''}`);
      await page.waitForLoadState('networkidle', { timeout: 5_000 }).catch(() => undefined);
      assert.deepEqual(troubles, [], String(address));
    }
  });

  it('is what a page that is not there leads to', async () => {
    await using opened = await open();
    const { page } = opened;
    assert.equal((await page.goto(`${url}/nothing`))?.status(), 404);
    await page.getByRole('link', { name: 'status of this instance' }).click();
    await page.getByRole('heading', { name: 'Apps and units' }).waitFor();
  });

  for (const colorScheme of ['light', 'dark'] as const)
    for (const [device, viewport] of [
      ['phone', { width: 390, height: 844 }],
      ['desk', { width: 1280, height: 900 }],
    ] as const)
      it(`has nothing in the way of people with disabilities, ${colorScheme} on a ${device}`, async () => {
        await using opened = await open({ colorScheme, viewport });
        await opened.page.goto(url);
        assert.deepEqual(await accessibilityProblems(opened.page), []);
      });
});
