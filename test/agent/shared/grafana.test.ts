import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { load } from 'js-yaml';
import { renderDashboardProvider, renderDatasource, type Datasource } from '../../../agent/shared/grafana.ts';

const INSTANCE: Datasource = {
  app: 'prometheus-my-instance',
  url: 'https://my-instance.example.com/',
  username: 'prometheus',
  scrapeIntervalMs: 15_000,
};

function dataSource(instance: Datasource): unknown {
  const { datasources } = load(renderDatasource(instance, 'tsuru')) as { datasources: readonly unknown[] };
  assert.equal(datasources.length, 1);
  return datasources[0];
}

describe('the data source of an instance for Grafana', () => {
  it('has a uid of its own, queries by POST, the scrape interval, and the password from a variable', () => {
    assert.deepEqual(dataSource(INSTANCE), {
      name: 'prometheus-my-instance',
      uid: 'prometheus-my-instance',
      type: 'prometheus',
      access: 'proxy',
      url: 'https://my-instance.example.com/',
      basicAuth: true,
      basicAuthUser: 'prometheus',
      jsonData: { httpMethod: 'POST', timeInterval: '15s' },
      secureJsonData: { basicAuthPassword: '$PROMETHEUS_PASSWORD' },
    });
    assert.match(renderDatasource(INSTANCE, 'tsuru service-instance-info'), /"tsuru service-instance-info" shows/);
  });

  it('has the address from a variable, and says so, while Tsuru reports none', () => {
    const unknown = { ...INSTANCE, url: undefined };
    assert.match(JSON.stringify(dataSource(unknown)), /"url":"\$PROMETHEUS_URL"/);
    assert.match(renderDatasource(unknown, 'tsuru'), /^# .* set the variable PROMETHEUS_URL/m);
  });

  it('has a password that is given as it is, whatever its characters', () => {
    for (const password of [
      '$HOME-and-${PORT}',
      'a: "b" # c',
      "it's\\n",
      '{{ x }}',
      '- 1234567890123456',
      'ünïcode 🙂',
    ]) {
      const { secureJsonData } = dataSource({ ...INSTANCE, password }) as {
        secureJsonData: { basicAuthPassword: string };
      };
      // Grafana makes one $ of two.
      assert.equal(secureJsonData.basicAuthPassword.replaceAll('$$', '$'), password);
      assert.doesNotMatch(secureJsonData.basicAuthPassword.replaceAll('$$', ''), /\$/);
      assert.doesNotMatch(renderDatasource({ ...INSTANCE, password }, 'tsuru'), /PROMETHEUS_PASSWORD/);
    }
  });
});

describe('the provider of the dashboards for Grafana', () => {
  it('reads a folder of files', () => {
    const { providers } = load(renderDashboardProvider()) as { providers: readonly Record<string, unknown>[] };
    assert.deepEqual(
      providers.map(({ type, options }) => [type, options]),
      [['file', { path: '/var/lib/grafana/dashboards/tsuru' }]],
    );
  });
});
