import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dump, load } from 'js-yaml';
import { renderConfig } from '../../../../agent/prometheus/configuration/render.ts';
import {
  hasProxy,
  proxyProblem,
  proxyProblems,
  proxySecrets,
} from '../../../../agent/prometheus/configuration/proxies.ts';
import { featuresOf } from '../../../../agent/prometheus/api/features.ts';
import { readSettings } from '../../../../agent/shared/settings/settings.ts';

const ANYWHERE = { remote_write: 'https://a.example.com', alertmanagers: 'https://b.example.com' };

function settingsOf(input: Readonly<Record<string, string>>) {
  const read = readSettings(input);
  assert.ok(read.ok);
  return read.settings;
}

function rendered(version: string, isThere: boolean, base: Readonly<Record<string, unknown>> = {}) {
  const text = renderConfig(dump({ scrape_configs: [{ job_name: 'tsuru-apps' }, { job_name: 'other' }], ...base }), {
    targetsFile: '/data/targets/apps.json',
    refreshSeconds: 30,
    settings: settingsOf(ANYWHERE),
    features: featuresOf(version),
    mostSamples: 10_000,
    retentionSizeBytes: undefined,
    blockRangeMs: undefined,
    replica: 'unit',
    instance: 'prometheus-shop',
    credentials: new Map(),
    ruleFiles: [],
    addresses: { prometheus: '127.0.0.1:1', agent: '127.0.0.1:2' },
    access: undefined,
    hasProxy: isThere,
  });
  const config = load(text) as {
    scrape_configs: readonly Record<string, unknown>[];
    remote_write: readonly Record<string, unknown>[];
    remote_read?: readonly Record<string, unknown>[];
    alerting: { alertmanagers: readonly Record<string, unknown>[] };
  };
  const uses = (entries: readonly Record<string, unknown>[] = []): unknown[] =>
    entries.map((entry) => entry['proxy_from_environment']);
  return {
    jobs: uses(config.scrape_configs),
    remoteWrite: uses(config.remote_write),
    remoteRead: uses(config.remote_read),
    alertmanagers: uses(config.alerting.alertmanagers),
  };
}

describe('the proxy of the environment', () => {
  it('is used by remote_write and alertmanagers from 2.43 on, and by no scrape', () => {
    for (const version of ['2.43.0', '3.14.0']) {
      const { jobs, remoteWrite, alertmanagers } = rendered(version, true);
      assert.deepEqual([...new Set(jobs)], [undefined]);
      assert.deepEqual([remoteWrite, alertmanagers], [[true], [true]]);
    }
  });

  it('is not in the configuration of an older version, or where there is none', () => {
    for (const [version, isThere] of [
      ['2.42.0', true],
      ['3.14.0', false],
    ] as const)
      assert.deepEqual(rendered(version, isThere).remoteWrite, [undefined]);
  });

  it('is used by what the base sends, too, unless that says something of a proxy itself', () => {
    const base = {
      remote_write: [
        { url: 'http://c' },
        { url: 'http://d', proxy_url: 'http://own:1' },
        { url: 'http://e', proxy_from_environment: false },
      ],
      remote_read: [{ url: 'http://f' }],
      alerting: { alertmanagers: [{ static_configs: [] }] },
    };
    const { remoteWrite, remoteRead, alertmanagers } = rendered('3.14.0', true, base);
    assert.deepEqual(remoteWrite, [true, undefined, false, true]);
    assert.deepEqual([remoteRead, alertmanagers], [[true], [true, true]]);
  });

  it('is found in large or small letters, and an empty one is none', () => {
    for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'])
      assert.equal(hasProxy({ [name]: 'proxy:3128' }), true, name);
    assert.equal(hasProxy({ HTTP_PROXY: '', NO_PROXY: 'example.com' }), false);
  });

  it('is refused when it is no address of a proxy, without its value', () => {
    for (const value of [
      'http://',
      'ftp://user:secret-word@proxy',
      'http://user:secret word@a b',
      'http://user:secret%zz@proxy',
      'http://proxy/%zz',
      '://x',
    ])
      assert.deepEqual(proxyProblems({ https_proxy: value }), [
        'https_proxy cannot be used: it must be the address of a proxy, such as http://proxy.example.com:3128.',
      ]);
    for (const value of [
      'proxy:3128',
      'http://user:p%40ss@proxy:3128/',
      'socks5://proxy',
      'https://[::1]:1',
      '10.0.0.1',
    ])
      assert.deepEqual(proxyProblems({ HTTP_PROXY: value, NO_PROXY: '*, 10.0.0.0/8' }), [], value);
  });

  it('has its user and password blanked out, as they are written and as they are meant', () => {
    for (const value of ['http://shop:secret%2Dword@proxy:3128', 'shop:secret%2Dword@proxy:3128']) {
      const secrets = proxySecrets({ http_proxy: value });
      for (const secret of ['shop:secret%2Dword', 'secret%2Dword', 'secret-word'])
        assert.ok(secrets.includes(secret), secret);
    }
    assert.deepEqual(proxySecrets({ HTTP_PROXY: 'http://proxy:3128/a@b', NO_PROXY: 'a@b' }), []);
  });

  it('is reported as ineffective on an older version once there is something to send', () => {
    const [old, unknown, present] = ['2.42.0+ds', undefined, '2.43.0'].map(featuresOf);
    assert.ok(old !== undefined && unknown !== undefined && present !== undefined);
    assert.match(
      proxyProblem(settingsOf(ANYWHERE), old, true) ?? '',
      /needs Prometheus 2\.43 or newer, and this one is 2\.42\.0\+ds$/,
    );
    assert.match(proxyProblem(settingsOf(ANYWHERE), unknown, true) ?? '', /not known yet$/);
    assert.equal(proxyProblem(settingsOf(ANYWHERE), present, true), undefined);
    assert.equal(proxyProblem(settingsOf(ANYWHERE), old, false), undefined);
    assert.equal(proxyProblem(settingsOf({}), old, true), undefined);
  });
});
