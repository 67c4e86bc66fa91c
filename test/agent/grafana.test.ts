import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { load } from 'js-yaml';
import { request } from 'undici';
import { basicHeader } from '../../agent/shared/basic-auth.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY } from '../support/agent.ts';
import { startInstance } from '../support/running-instance.ts';
import { until } from '../support/until.ts';

const FILES = ['datasource.yaml', 'dashboards.yaml', 'app.json', 'instance.json'];

describe("an instance's files for Grafana", () => {
  it('are on the guarded port, behind its password and without it in them', async () => {
    const address = freeAddress();
    await using instance = await startInstance({ scrape_interval: '30s' }, { env: { AGENT_GATEWAY_ADDRESS: address } });
    const authorization = basicHeader({ username: GATEWAY.GATEWAY_USERNAME, password: GATEWAY.GATEWAY_PASSWORD });
    const ask = async (file: string, headers: Record<string, string>): Promise<{ status: number; text: string }> => {
      const { statusCode, body } = await request(`http://${address}:8888/tsuru/grafana/${file}`, { headers });
      return { status: statusCode, text: await body.text() };
    };
    for (const file of FILES) {
      assert.equal((await ask(file, {})).status, 401, file);
      const { status, text } = await ask(file, { authorization });
      assert.equal(status, 200, file);
      assert.ok(!text.includes(GATEWAY.GATEWAY_PASSWORD), file);
    }
    assert.equal((await ask('other.json', { authorization })).status, 404);

    for (const name of ['app', 'instance']) {
      const { text } = await ask(`${name}.json`, { authorization });
      assert.equal(text, await readFile(new URL(`../../image/dashboards/${name}.json`, import.meta.url), 'utf8'));
    }
    const [datasource] = await until('the settings and the address', async () => {
      const { text } = await ask('datasource.yaml', { authorization });
      const { datasources } = load(text) as { datasources: readonly Record<string, unknown>[] };
      return JSON.stringify(datasources).includes('30s') && datasources;
    });
    const app = instance.world.instance.app;
    assert.deepEqual(
      [datasource?.['uid'], datasource?.['basicAuthUser'], datasource?.['jsonData']],
      [app, GATEWAY.GATEWAY_USERNAME, { httpMethod: 'POST', timeInterval: '30s' }],
    );
    assert.match(String(datasource?.['url']), /^(http:\/\/.+|\$PROMETHEUS_URL)$/);
  });
});
