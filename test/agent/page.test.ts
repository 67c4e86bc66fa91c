import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY, type RunningAgent } from '../support/agent.ts';
import { accessibilityProblems, openPage, startBrowser, type Opened } from '../support/browser.ts';
import { metricsUnit, startWorld, type World } from '../support/world.ts';
import { httpUnit } from '../support/unit.ts';

const USER = { username: GATEWAY.GATEWAY_USERNAME, password: GATEWAY.GATEWAY_PASSWORD };

const brokenUnit = httpUnit(() => (_request, response) => {
  response.writeHead(500).end('no metrics today');
});

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
    await world.annotate(app, {
      [SETTINGS_ANNOTATION]: JSON.stringify({ scrape_interval: '1s' }),
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

  function open(options: BrowserContextOptions = {}): Promise<Opened> {
    return openPage(browser, { httpCredentials: USER, ...options });
  }

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

  it('shows an app with its unit after its bind, without a reload', async () => {
    await using opened = await open();
    const { page, troubles } = opened;
    await page.goto(url);
    await page.getByRole('heading', { name: 'no app is bound yet' }).waitFor();
    await page.getByText('tsuru service-instance-bind prometheus my-instance -a my-app').waitFor();
    await world.bindNew('my-app', 2);
    await agent.poll();
    await page.getByRole('heading', { name: 'All 2 units that should be scraped are up' }).waitFor();
    const [unit] = world.tsuru.units('my-app');
    await page
      .getByRole('table', { name: 'Units of my-app' })
      .getByText(unit?.name ?? '')
      .waitFor();
    assert.deepEqual(troubles, []);
  });
});
