import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dump, load } from 'js-yaml';
import { renderConfig } from '../../../../agent/prometheus/configuration/render.ts';
import { withoutRedirects } from '../../../../agent/prometheus/configuration/redirects.ts';
import { featuresOf } from '../../../../agent/prometheus/api/features.ts';
import { readSettings } from '../../../../agent/shared/settings/settings.ts';

describe('a configuration without redirects', () => {
  it('refuses them for every job, remote_write, remote_read, group of Alertmanagers and discovery with a server', () => {
    const server = { url: 'http://sd.example.com', follow_redirects: true };
    const changed = { ...server, follow_redirects: false };
    const config = {
      global: { scrape_interval: '15s' },
      scrape_configs: [
        { job_name: 'a', follow_redirects: true },
        {
          job_name: 'b',
          http_sd_configs: [server, server],
          consul_sd_configs: [server],
          dns_sd_configs: [{ names: [] }],
        },
      ],
      remote_write: [{ url: 'http://a' }, { url: 'http://b', follow_redirects: true }],
      remote_read: [{ url: 'http://c' }],
      alerting: { alert_relabel_configs: [], alertmanagers: [{ http_sd_configs: [server] }, { static_configs: [] }] },
    };
    assert.deepEqual(withoutRedirects(config), {
      global: { scrape_interval: '15s' },
      scrape_configs: [
        { job_name: 'a', follow_redirects: false },
        {
          job_name: 'b',
          http_sd_configs: [changed, changed],
          consul_sd_configs: [changed],
          dns_sd_configs: [{ names: [] }],
          follow_redirects: false,
        },
      ],
      remote_write: [
        { url: 'http://a', follow_redirects: false },
        { url: 'http://b', follow_redirects: false },
      ],
      remote_read: [{ url: 'http://c', follow_redirects: false }],
      alerting: {
        alert_relabel_configs: [],
        alertmanagers: [
          { http_sd_configs: [changed], follow_redirects: false },
          { static_configs: [], follow_redirects: false },
        ],
      },
    });
  });

  it('is left as it is where it sends and fetches nothing', () => {
    for (const config of [{}, { alerting: {} }, { remote_write: null, scrape_configs: [] }])
      assert.deepEqual(withoutRedirects(config), config);
  });

  it('cannot be made from one with jobs in other files or with malformed lists', () => {
    assert.throws(() => withoutRedirects({ scrape_config_files: ['*.yml'] }), /write these jobs into scrape_configs/);
    assert.throws(() => withoutRedirects({ remote_write: {} }), /remote_write is an object, not a list/);
    assert.throws(() => withoutRedirects({ scrape_configs: ['a'] }), /scrape_configs\[0\] is a string, not an object/);
  });

  it('is what is rendered, whatever the base and the settings say', () => {
    const base = dump({
      scrape_configs: [{ job_name: 'tsuru-apps', follow_redirects: true }, { job_name: 'of-the-base' }],
      remote_write: [{ url: 'http://base.example.com' }],
      alerting: { alertmanagers: [{ static_configs: [{ targets: ['base.example.com'] }] }] },
    });
    const read = readSettings({ remote_write: 'http://a.example.com', alertmanagers: 'http://b.example.com' });
    assert.ok(read.ok);
    for (const mostSamples of [10_000, undefined]) {
      const { scrape_configs, remote_write, alerting } = load(
        renderConfig(base, {
          targetsFile: '/data/targets/apps.json',
          refreshSeconds: 30,
          settings: read.settings,
          features: featuresOf('2.42.0'),
          mostSamples,
          retentionSizeBytes: undefined,
          blockRangeMs: undefined,
          replica: 'unit-1',
          instance: 'prometheus-shop',
          credentials: new Map(),
          ruleFiles: [],
          addresses: { prometheus: '127.0.0.1:1', agent: '127.0.0.1:2' },
          access: undefined,
          hasProxy: false,
        }),
      ) as Record<'scrape_configs' | 'remote_write', readonly { readonly follow_redirects?: boolean }[]> & {
        readonly alerting: { readonly alertmanagers: readonly { readonly follow_redirects?: boolean }[] };
      };
      assert.deepEqual([remote_write.length, alerting.alertmanagers.length], [2, 2]);
      for (const entry of [...scrape_configs, ...remote_write, ...alerting.alertmanagers])
        assert.equal(entry.follow_redirects, false, JSON.stringify(entry));
    }
  });
});
