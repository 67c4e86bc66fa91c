import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parseSettings,
  readSettings,
  SETTINGS,
  type SettingsOptions,
} from '../../../../agent/shared/settings/settings.ts';
import type { Settings } from '../../../../agent/shared/settings/schema.ts';

const DAY_MS = 86_400_000;
const RULES = `groups:
  - name: shop   # the shop's
    interval: 1m
    rules:
      - record: shop:requests:rate5m
        expr: sum(rate(requests_total[5m]))
      - alert: ShopDown
        expr: up{job="shop"} == 0
        for: 5m
        labels: { severity: page }
        annotations:
          summary: "{{ $labels.instance }} is down"
`;

function read(
  input: Readonly<Record<string, unknown>>,
  options?: SettingsOptions,
): { settings: Settings; text: string } {
  const result = readSettings(input, options);
  assert.ok(result.ok, result.ok ? '' : result.problems.join('\n'));
  const again = parseSettings(result.text);
  assert.deepEqual(again, result, 'the annotation says something else');
  return result;
}

describe('settings', () => {
  it('have defaults, which are not written down', () => {
    assert.deepEqual(read({}), {
      ok: true,
      text: '{}',
      settings: {
        storage: 'tmpfs',
        retentionMs: 15 * DAY_MS,
        scrapeIntervalMs: 15_000,
        scrapeTimeoutMs: 10_000,
        evaluationIntervalMs: 15_000,
        dropMetrics: [],
        externalLabels: {},
        instanceAlerts: 'on',
        alertmanagers: [],
        remoteWrite: [],
        targetsPerApp: 10_000,
        samplesPerScrape: 0,
        bodySizeLimitBytes: 0,
        queryMaxSamples: 50_000_000,
        queryTimeoutMs: 120_000,
      },
    });
    assert.deepEqual(read({ retention: '', rules: ' \n' }), read({}), 'an empty field is not given');
  });

  it('are the same from the texts of a form and from typed JSON', () => {
    const typed = {
      retention: '30d',
      retention_size: '512MB',
      scrape_interval: '30s',
      external_labels: { env: 'prod', version: '1.20' },
      rules: RULES,
      alertmanagers: [{ url: 'http://a:9093/' }, { url: 'https://b/alerts' }],
      remote_write: [
        {
          url: 'https://metrics/write',
          name: 'main',
          basic_auth: { username: 'me', password_env: 'METRICS_PASSWORD' },
          headers: { 'X-Scope-OrgID': 'shop', 'x-honeycomb-team': { env: 'HONEYCOMB_KEY' } },
          write_relabel_configs: [{ source_labels: ['__name__'], regex: 'go_.*', action: 'drop' }],
        },
      ],
      targets_per_app: 500,
      samples_per_scrape: 0,
      storage: 'ephemeral',
    };
    const form = {
      ...typed,
      external_labels: 'version=1.20, env=prod',
      rules: RULES.replaceAll('\n', '\r\n'),
      alertmanagers: 'http://a:9093, https://b/alerts',
      remote_write: `
        - url: https://metrics/write
          name: main
          basic_auth: {username: me, password_env: METRICS_PASSWORD}
          headers:
            x-honeycomb-team: {env: HONEYCOMB_KEY}
            X-Scope-OrgID: shop
          write_relabel_configs:
            - source_labels: [__name__]
              regex: go_.*
              action: drop`,
      targets_per_app: '500',
      samples_per_scrape: '0',
      storage: 'EPHEMERAL',
    };
    assert.deepEqual(read(form), read(typed));
    const { settings } = read(typed);
    assert.equal(settings.rules, RULES);
    assert.equal(settings.retentionSizeBytes, 512 * 1024 ** 2);
    assert.deepEqual(settings.remoteWrite[0]?.authentication, {
      kind: 'basic',
      username: 'me',
      passwordEnv: 'METRICS_PASSWORD',
    });
    assert.deepEqual(settings.remoteWrite[0].headers, {
      'X-Scope-OrgID': { kind: 'plain', text: 'shop' },
      'x-honeycomb-team': { kind: 'secret', env: 'HONEYCOMB_KEY' },
    });
  });

  it('keep labels as they were typed', () => {
    const labels = { version: '1.20', octal: '010', yes: 'no', not: 'true', day: '2020-01-01', constructor: '~x' };
    const yaml = 'version: 1.20\noctal: 010\nyes: no\nnot: true\nday: 2020-01-01\nconstructor: ~x\n';
    assert.deepEqual(read({ external_labels: yaml }).settings.externalLabels, labels);
    assert.deepEqual(read({ external_labels: 'a="b",c=d=e' }).settings.externalLabels, { a: '"b"', c: 'd=e' });
    assert.deepEqual(read({ external_labels: '{}' }).settings.externalLabels, {});
  });

  it('are written in one way, whatever order and units they came in', () => {
    const { text } = read({
      query_timeout: '120s',
      retention: '4w2d',
      external_labels: 'b=1,a=2',
      body_size_limit: '1024KB',
    });
    assert.equal(
      text,
      '{"body_size_limit":"1MB","external_labels":{"a":"2","b":"1"},"query_timeout":"2m","retention":"30d"}',
    );
    assert.equal(
      read({ body_size_limit: '1MB', external_labels: 'a=2,b=1', retention: '30d', query_timeout: '2m' }).text,
      text,
    );
  });

  it('come from the user before the plan, and those of the plan are written too', () => {
    const { text } = read({ retention: '3d' }, { defaults: { retention: '7d', targets_per_app: 100 } });
    assert.equal(text, '{"retention":"3d","targets_per_app":100}');
  });

  it('stay below the limits of the plan when unset', () => {
    const ceilings = { retention: '7d', scrape_interval: '30s', samples_per_scrape: 1000, retention_size: '1GB' };
    const { text } = read({}, { ceilings });
    assert.equal(text, '{"retention":"7d","retention_size":"1GB","samples_per_scrape":1000,"scrape_interval":"30s"}');
    assert.equal(read({}, { ceilings: { retention: '20d', samples_per_scrape: 0 } }).text, '{}');
  });

  it('leave room for a compaction where only the size of the storage is given', () => {
    assert.equal(read({ storage_size: '1GB' }).settings.retentionSizeBytes, 819 * 1024 ** 2);
  });

  it("have a timeout of the plan give way to the user's shorter interval", () => {
    const { settings, text } = read({ scrape_interval: '5s' }, { defaults: { scrape_timeout: '9s' } });
    assert.equal(settings.scrapeTimeoutMs, 5_000);
    assert.equal(text, '{"scrape_interval":"5s","scrape_timeout":"5s"}');
    assert.equal(read({ scrape_interval: '5s' }).settings.scrapeTimeoutMs, 5_000);
  });

  it('take rules as JSON too', () => {
    const rules = { groups: [{ name: 'g', limit: 3, rules: [{ record: 'a:b', expr: '1' }] }] };
    const { settings } = read({ rules });
    assert.equal(
      settings.rules,
      "groups:\n  - name: g\n    limit: 3\n    rules:\n      - record: a:b\n        expr: '1'\n",
    );
  });

  it('follow the aliases of YAML', () => {
    const rules =
      'groups:\n- name: g\n  rules:\n  - {alert: a, expr: up, labels: &l {severity: page}}\n  - {alert: b, expr: up, labels: *l}\n';
    assert.equal(read({ rules }).settings.rules, rules);
  });

  it('merge the maps of YAML merge keys, and a key of the map itself wins', () => {
    const remote_write = `
- &main
  url: https://a.example.com/write
  headers:
  basic_auth: &auth {username: shop, password_env: REMOTE_PASSWORD}
- <<: *main
  url: https://b.example.com/write
- url: https://c.example.com/write
  basic_auth: {<<: [{username: first}, *auth]}
- {url: https://d.example.com/write, "<<": *main}
`;
    const problems = readSettings({ remote_write });
    assert.deepEqual(problems.ok ? [] : problems.problems, [
      'remote_write[3] (line 3) has <<, which is not known: there are url, name, store, basic_auth, authorization, headers, write_relabel_configs.',
    ]);
    const { settings } = read({ remote_write: remote_write.replace(/- \{url: https:\/\/d.*\n/, '') });
    const basic = (username: string): unknown => ({ kind: 'basic', username, passwordEnv: 'REMOTE_PASSWORD' });
    assert.deepEqual(
      settings.remoteWrite.map(({ url, authentication }) => [url, authentication]),
      [
        ['https://a.example.com/write', basic('shop')],
        ['https://b.example.com/write', basic('shop')],
        ['https://c.example.com/write', basic('first')],
      ],
    );
    for (const [text, reason] of [
      ['{<<: 3}', 'a merge key (<<) whose value is neither a map nor a list of maps'],
      ['{<<: [3]}', 'a merge key (<<) whose value is neither a map nor a list of maps'],
    ] as const) {
      const result = readSettings({ remote_write: text });
      assert.deepEqual(result.ok ? [] : result.problems, [`remote_write is no valid YAML: ${reason}.`]);
    }
  });

  it('each have a name, a meaning, a default and a range', () => {
    assert.equal(new Set(SETTINGS.map(({ name }) => name)).size, SETTINGS.length);
    for (const setting of SETTINGS)
      assert.ok(
        Object.values(setting).every((text) => text !== ''),
        setting.name,
      );
  });
});
