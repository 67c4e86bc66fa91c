import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { load } from 'js-yaml';
import { renderConfig, type RenderOptions } from '../../../../agent/prometheus/configuration/render.ts';
import { headerProblem, variablesOf } from '../../../../agent/prometheus/configuration/secret-files.ts';
import { featuresOf } from '../../../../agent/prometheus/api/features.ts';
import { createPromtool, type Check } from '../../../../agent/shared/promtool.ts';
import { readSettings, type SettingsInput } from '../../../../agent/shared/settings/settings.ts';
import type { Settings } from '../../../../agent/shared/settings/schema.ts';
import { temporaryFolder } from '../../../support/folder.ts';

const BASE = new URL('../../../../image/prometheus.yml', import.meta.url);

function settings(input: SettingsInput): Settings {
  const result = readSettings(input);
  assert.ok(result.ok, JSON.stringify(result));
  return result.settings;
}

const OPTIONS: RenderOptions = {
  targetsFile: '/data/targets/apps.json',
  refreshSeconds: 30,
  settings: settings({ scrape_interval: '30s', scrape_timeout: '20s' }),
  features: featuresOf('2.42.0'),
  mostSamples: undefined,
  retentionSizeBytes: undefined,
  blockRangeMs: undefined,
  replica: 'unit-1',
  instance: 'prometheus-shop',
  credentials: new Map(),
  ruleFiles: ['/data/config/rules-1/*'],
  addresses: { prometheus: '127.0.0.1:1', agent: '[::1]:2' },
  access: undefined,
  hasProxy: false,
};

interface Config {
  readonly global: unknown;
  readonly rule_files: unknown;
  readonly scrape_configs: readonly Readonly<Record<string, unknown>>[];
  readonly remote_write?: readonly Readonly<Record<string, unknown>>[];
  readonly storage?: unknown;
  readonly alerting: { readonly alertmanagers: readonly unknown[]; readonly alert_relabel_configs: readonly unknown[] };
}

async function rendered(more: Partial<RenderOptions> = {}): Promise<Config> {
  return load(renderConfig(await readFile(BASE, 'utf8'), { ...OPTIONS, ...more })) as Config;
}

/** Every setting that is rendered. */
const ALL = settings({
  retention: '30d',
  scrape_interval: '5s',
  external_labels: 'env=prod,version=1.20',
  samples_per_scrape: '5000',
  body_size_limit: '10MB',
  drop_metrics: 'go_*,host.name',
  rules: 'groups:\n  - name: shop\n    rules:\n      - record: up:sum\n        expr: sum(up)\n',
  alertmanagers: '[{url: "https://am.example.com/alerts", basic_auth: {username: me, password_env: ALERTS_PASSWORD}}]',
  remote_write:
    '[{url: "https://metrics.example.com/write", name: far, authorization: {credentials_env: FAR_TOKEN}, headers: {X-Scope-OrgID: shop}, write_relabel_configs: [{action: drop, source_labels: [__name__], regex: go_.*}]}]',
});

describe('the rendered configuration', () => {
  it('is the base with the places and times of this instance, the same for the same input', async () => {
    const base = await readFile(BASE, 'utf8');
    assert.equal(renderConfig(base, OPTIONS), renderConfig(base, OPTIONS));
    const config = await rendered();
    assert.deepEqual(config.global, {
      scrape_interval: '30s',
      scrape_timeout: '20s',
      evaluation_interval: '30s',
      external_labels: { prometheus_replica: 'unit-1' },
    });
    assert.deepEqual(config.rule_files, OPTIONS.ruleFiles);
    const [apps, prometheus, agent] = config.scrape_configs;
    assert.deepEqual(apps?.['file_sd_configs'], [{ files: ['/data/targets/apps.json'], refresh_interval: '30s' }]);
    assert.deepEqual(prometheus?.['static_configs'], [{ targets: ['127.0.0.1:1'] }]);
    assert.deepEqual(agent?.['static_configs'], [{ targets: ['[::1]:2'] }]);
    assert.equal(config.remote_write, undefined);
    assert.equal(config.storage, undefined);
  });

  it('limits bodies to what the instance can hold, and to what the settings say', async () => {
    const limitsOf = async (more: Partial<RenderOptions>): Promise<unknown[]> => {
      const { scrape_configs: jobs } = await rendered(more);
      return [
        ...new Set(
          jobs
            .filter(({ job_name: name }) => String(name).startsWith('tsuru-apps'))
            .map((job) => job['body_size_limit']),
        ),
      ];
    };
    assert.deepEqual(await limitsOf({}), [undefined]);
    assert.deepEqual(await limitsOf({ mostSamples: Infinity }), [undefined]);
    assert.deepEqual(await limitsOf({ mostSamples: 7_703 }), ['4MB']);
    assert.deepEqual(await limitsOf({ mostSamples: 7_703, settings: ALL }), ['4MB']);
    assert.deepEqual(await limitsOf({ mostSamples: 77_030, settings: ALL }), ['10MB']);
  });

  it('drops the metrics that the settings name, behind what the base relabels, in the jobs of apps only', async () => {
    const dropping = settings({ drop_metrics: 'http_*_bucket host.name go_*,go_*' });
    const { scrape_configs: jobs } = await rendered({ settings: dropping, mostSamples: 100_000 });
    const drop = { source_labels: ['__name__'], regex: 'go_.*|host\\.name|http_.*_bucket', action: 'drop' };
    for (const job of jobs) {
      const isOfApps = String(job['job_name']).startsWith('tsuru-apps');
      const relabels = job['metric_relabel_configs'] as readonly unknown[] | undefined;
      assert.deepEqual(relabels?.some((one) => isDeepStrictEqual(one, drop)) ?? false, isOfApps);
    }
    const base = (await readFile(BASE, 'utf8')).replace(
      'relabel_configs:',
      'metric_relabel_configs: [{action: labeldrop, regex: x}]\n    relabel_configs:',
    );
    const [apps] = (
      load(renderConfig(base, { ...OPTIONS, settings: dropping })) as { scrape_configs: Record<string, unknown>[] }
    ).scrape_configs;
    assert.deepEqual(apps?.['metric_relabel_configs'], [{ action: 'labeldrop', regex: 'x' }, drop]);
  });

  it('has what the settings say, and its secrets only as files', async () => {
    const credentials = new Map([
      ['ALERTS_PASSWORD', '/data/credentials/ALERTS_PASSWORD'],
      ['FAR_TOKEN', '/data/credentials/FAR_TOKEN'],
    ]);
    const config = await rendered({ settings: ALL, credentials });
    assert.deepEqual((config.global as Record<string, unknown>)['external_labels'], {
      env: 'prod',
      prometheus_replica: 'unit-1',
      version: '1.20',
    });
    const [apps] = config.scrape_configs;
    assert.equal(apps?.['sample_limit'], 5000);
    assert.equal(apps['body_size_limit'], '10MB');
    assert.deepEqual(config.alerting.alertmanagers, [
      {
        scheme: 'https',
        path_prefix: '/alerts',
        static_configs: [{ targets: ['am.example.com'] }],
        basic_auth: { username: 'me', password_file: '/data/credentials/ALERTS_PASSWORD' },
        follow_redirects: false,
      },
    ]);
    assert.deepEqual(config.remote_write, [
      {
        url: 'https://metrics.example.com/write',
        name: 'far',
        authorization: { type: 'Bearer', credentials_file: '/data/credentials/FAR_TOKEN' },
        headers: { 'X-Scope-OrgID': 'shop' },
        write_relabel_configs: [{ action: 'drop', source_labels: ['__name__'], regex: 'go_.*' }],
        follow_redirects: false,
      },
    ]);
  });

  it('sends nothing to a receiver whose secret is missing', async () => {
    const config = await rendered({ settings: ALL });
    assert.deepEqual(config.alerting.alertmanagers, []);
    assert.equal(config.remote_write, undefined);
  });

  it('has secret headers only as files, where Prometheus can read them from there', async () => {
    const headers = { 'X-Scope-OrgID': 'shop', 'x-honeycomb-team': { env: 'HONEYCOMB_KEY' } };
    const sending = settings({
      remote_write: [{ url: 'https://a.example.com/', headers }, { url: 'https://b.example.com/' }],
    });
    const credentials = new Map([['HONEYCOMB_KEY', '/data/credentials/HONEYCOMB_KEY']]);
    const sent = async (version: string | undefined, placed = credentials): Promise<unknown> =>
      (await rendered({ settings: sending, credentials: placed, features: featuresOf(version) })).remote_write;
    const other = { url: 'https://b.example.com/', follow_redirects: false };
    for (const version of ['2.55.0', '3.14.0']) {
      assert.deepEqual(await sent(version), [
        {
          url: 'https://a.example.com/',
          headers: { 'X-Scope-OrgID': 'shop' },
          http_headers: { 'x-honeycomb-team': { files: ['/data/credentials/HONEYCOMB_KEY'] } },
          follow_redirects: false,
        },
        other,
      ]);
      assert.equal(headerProblem(sending, featuresOf(version)), undefined);
    }
    for (const version of ['2.42.0', '2.54.1', undefined]) assert.deepEqual(await sent(version), [other]);
    assert.deepEqual(await sent('3.14.0', new Map()), [other]);
    assert.equal(
      headerProblem(sending, featuresOf('2.42.0')),
      'nothing is sent to where a header takes its value from a variable: that needs Prometheus 2.55 or newer, and this one is 2.42.0',
    );
    assert.equal(headerProblem(ALL, featuresOf('2.42.0')), undefined);
    assert.deepEqual([...variablesOf(sending)], ['HONEYCOMB_KEY']);
  });

  it('removes from alerts the label by which two units of an instance differ', async () => {
    const { alerting } = await rendered();
    assert.deepEqual(alerting.alert_relabel_configs, [{ action: 'labeldrop', regex: 'prometheus_replica' }]);
  });

  it('has the labels of each kind of store behind the own relabeling of its remote_write', async () => {
    const drop = { action: 'drop', source_labels: ['__name__'], regex: 'go_.*' };
    const relabelingOf = async (store: string | undefined): Promise<unknown> => {
      const named = store === undefined ? {} : { store };
      const sending = settings({ remote_write: [{ url: 'https://a/', ...named, write_relabel_configs: [drop] }] });
      return (await rendered({ settings: sending, replica: 'unit-$1' })).remote_write?.[0]?.['write_relabel_configs'];
    };
    const instance = { target_label: 'tsuru_instance', replacement: 'prometheus-shop' };
    const noReplica = { action: 'labeldrop', regex: 'prometheus_replica' };
    assert.deepEqual(await relabelingOf(undefined), [drop]);
    assert.deepEqual(await relabelingOf('thanos'), [drop, instance]);
    assert.deepEqual(await relabelingOf('victoriametrics'), [drop, instance, noReplica]);
    for (const store of ['mimir', 'cortex', 'amp']) {
      assert.deepEqual(await relabelingOf(store), [
        drop,
        { source_labels: ['cluster'], regex: '(.+)', target_label: 'exported_cluster' },
        { target_label: 'cluster', replacement: 'prometheus-shop' },
        { target_label: '__replica__', replacement: 'unit-$$1' },
        noReplica,
      ]);
    }
  });

  it('uses features of newer Prometheus versions only for those', async () => {
    const retentionSizeBytes = 512 * 1024 ** 2;
    const halfHour = 30 * 60_000;
    const table = [
      { version: undefined, fallback: undefined, storage: undefined },
      { version: '2.53.1', fallback: undefined, storage: undefined },
      { version: '3.0.0', fallback: 'PrometheusText0.0.4', storage: undefined },
      { version: '3.10.2', fallback: 'PrometheusText0.0.4', storage: undefined },
      {
        version: '3.11.0-rc.0',
        fallback: 'PrometheusText0.0.4',
        storage: { tsdb: { retention: { time: '30d', size: '512MB' } } },
      },
      {
        version: '3.14.0',
        fallback: 'PrometheusText0.0.4',
        storage: { tsdb: { out_of_order_time_window: '70m', retention: { time: '30d', size: '512MB' } } },
        blockRangeMs: halfHour,
      },
      {
        version: '3.14.0',
        fallback: 'PrometheusText0.0.4',
        storage: { tsdb: { retention: { time: '30d', size: '512MB' } } },
        blockRangeMs: 4 * halfHour,
      },
    ];
    for (const { version, fallback, storage, blockRangeMs = halfHour } of table) {
      const config = await rendered({ settings: ALL, features: featuresOf(version), retentionSizeBytes, blockRangeMs });
      assert.equal(config.scrape_configs[0]?.['fallback_scrape_protocol'], fallback, version);
      assert.deepEqual(config.storage, storage, version);
    }
  });

  it('is valid for the promtool that is here', async () => {
    await using folder = await temporaryFolder();
    const version = /version (\S+)/.exec(execFileSync('promtool', ['--version'], { encoding: 'utf8' }))?.[1];
    const credentials = new Map(
      ['ALERTS_PASSWORD', 'FAR_TOKEN'].map((name) => [name, join(folder.path, name)] as const),
    );
    for (const path of credentials.values()) await writeFile(path, 'secret');
    await mkdir(join(folder.path, 'rules'));
    await writeFile(join(folder.path, 'rules', 'rules'), ALL.rules ?? '');
    const text = renderConfig(await readFile(BASE, 'utf8'), {
      ...OPTIONS,
      settings: ALL,
      features: featuresOf(version),
      retentionSizeBytes: 1024 ** 3,
      credentials,
      ruleFiles: [join(folder.path, 'rules', '*')],
    });
    await writeFile(join(folder.path, 'prometheus.yml'), text);
    const promtool = createPromtool({ PATH: process.env['PATH'] ?? '' });
    const check = (): Promise<Check> =>
      promtool('config', join(folder.path, 'prometheus.yml'), new AbortController().signal);
    assert.deepEqual(await check(), { kind: 'valid' });
    await writeFile(join(folder.path, 'rules', 'rules'), 'groups: [{name: a, rules: [{record: b, expr: "sum("}]}]');
    assert.match(JSON.stringify(await check()), /"refused".*parse error/);
  });

  it('cannot be made from an invalid base', () => {
    for (const base of [
      '',
      'x',
      '[]',
      'scrape_configs: 7',
      'scrape_configs: [7]',
      '{',
      'scrape_configs: [{job_name: other}]',
    ]) {
      assert.throws(() => renderConfig(base, OPTIONS), Error, base);
    }
  });
});
