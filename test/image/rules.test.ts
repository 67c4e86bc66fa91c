import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dump, load } from 'js-yaml';
import { temporaryFolder } from '../support/folder.ts';

const run = promisify(execFile);
const fileOf = (name: string): string => fileURLToPath(new URL(`../../image/rules/${name}.yml`, import.meta.url));

/** Series and their values a minute, as promtool's unit tests write them. */
type Series = Readonly<Record<string, string>>;

interface Case {
  readonly alert: string;
  /** What Prometheus stores, and after how many minutes the alert fires, or does not. */
  readonly fires: { readonly series: Series; readonly minute: number };
  readonly doesNot: readonly { readonly why: string; readonly series: Series; readonly minute: number }[];
}

const UP = (unit: string): string => `up{job="my-app", instance="${unit}", tsuru_app="my-app"}`;
const AGENT = 'job="agent", instance="127.0.0.1:9091"';
const OWN = 'job="prometheus", instance="127.0.0.1:9090"';
const SENDER = `${OWN}, remote_name="store", url="http://store"`;
const behind = (sent: string): Series => ({
  [`prometheus_remote_storage_highest_timestamp_in_seconds{${OWN}}`]: '0+60x60',
  [`prometheus_remote_storage_queue_highest_sent_timestamp_seconds{${SENDER}}`]: sent,
  [`prometheus_remote_storage_samples_pending{${SENDER}}`]: '100x60',
  [`tsuru_agent_remote_write_bridged_seconds{${AGENT}}`]: '3600x60',
});
const failing = (kind: string, value: string): Series => ({
  [`tsuru_agent_runtime_failing{${AGENT}, kind="${kind}"}`]: value,
});

const INSTANCE: readonly Case[] = [
  {
    alert: 'TargetDown',
    fires: { series: { [UP('a')]: '1x30', [UP('b')]: '1x5 0x25' }, minute: 12 },
    doesNot: [
      {
        why: 'the unit was down for less than 5 minutes',
        series: { [UP('a')]: '1x30', [UP('b')]: '1x5 0x3 1x20' },
        minute: 9,
      },
      {
        why: 'no unit of the app is up, which AppDown tells',
        series: { [UP('a')]: '0x30', [UP('b')]: '0x30' },
        minute: 12,
      },
    ],
  },
  {
    alert: 'AppDown',
    fires: { series: { [UP('a')]: '0x30', [UP('b')]: '0x30' }, minute: 6 },
    doesNot: [{ why: 'one unit is up', series: { [UP('a')]: '1x30', [UP('b')]: '0x30' }, minute: 12 }],
  },
  {
    alert: 'ScrapeAboveLimit',
    fires: { series: { [`prometheus_target_scrapes_exceeded_sample_limit_total{${OWN}}`]: '0+1x60' }, minute: 25 },
    doesNot: [
      {
        why: 'one scrape exceeded it once',
        series: { [`prometheus_target_scrapes_exceeded_body_size_limit_total{${OWN}}`]: '0x5 1x60' },
        minute: 25,
      },
    ],
  },
  {
    alert: 'SamplesRefused',
    fires: {
      series: { [`tsuru_agent_samples_refused_total{${AGENT}, app="my-app", reason="too_old"}`]: '0+9x30' },
      minute: 12,
    },
    doesNot: [
      {
        why: 'none was refused since',
        series: { [`tsuru_agent_samples_refused_total{${AGENT}, app="my-app"}`]: '9x30' },
        minute: 12,
      },
    ],
  },
  {
    alert: 'AgentDown',
    fires: { series: { [`up{${AGENT}}`]: '1x5 0x30' }, minute: 12 },
    doesNot: [{ why: 'it is up', series: { [`up{${AGENT}}`]: '1x30' }, minute: 12 }],
  },
  {
    alert: 'AgentOutOfSync',
    fires: { series: { [`tsuru_agent_in_sync{${AGENT}}`]: '0x30' }, minute: 12 },
    doesNot: [
      { why: 'it was in sync in between', series: { [`tsuru_agent_in_sync{${AGENT}}`]: '0x5 1 0x20' }, minute: 12 },
    ],
  },
  {
    alert: 'AgentNotPolling',
    fires: { series: { [`tsuru_agent_poll_last_success_timestamp_seconds{${AGENT}}`]: '60x60' }, minute: 20 },
    doesNot: [
      {
        why: 'it polls',
        series: { [`tsuru_agent_poll_last_success_timestamp_seconds{${AGENT}}`]: '0+60x60' },
        minute: 40,
      },
    ],
  },
  {
    alert: 'ReloadFailed',
    fires: { series: { [`tsuru_agent_reload_last_successful{${AGENT}}`]: '1x5 0x30' }, minute: 17 },
    doesNot: [
      { why: 'the last one was', series: { [`tsuru_agent_reload_last_successful{${AGENT}}`]: '0x5 1x30' }, minute: 17 },
    ],
  },
  {
    alert: 'SettingsRefused',
    fires: { series: { [`tsuru_agent_settings_refused{${AGENT}}`]: '1x30' }, minute: 6 },
    doesNot: [{ why: 'they are accepted', series: { [`tsuru_agent_settings_refused{${AGENT}}`]: '0x30' }, minute: 12 }],
  },
  {
    alert: 'StorageAlmostFull',
    fires: {
      series: {
        [`tsuru_agent_volume_used_bytes{${AGENT}}`]: '81x30',
        [`tsuru_agent_volume_size_bytes{${AGENT}}`]: '100x30',
      },
      minute: 12,
    },
    doesNot: [
      {
        why: 'it is 80 % full',
        series: {
          [`tsuru_agent_volume_used_bytes{${AGENT}}`]: '80x30',
          [`tsuru_agent_volume_size_bytes{${AGENT}}`]: '100x30',
        },
        minute: 20,
      },
    ],
  },
  {
    alert: 'RemoteWriteBehind',
    fires: { series: behind('60x60'), minute: 40 },
    doesNot: [
      { why: 'it is 20 minutes behind of 60', series: behind('60x60'), minute: 20 },
      {
        why: 'nothing was sent since the start 20 minutes ago',
        series: { ...behind('0x60'), [`process_start_time_seconds{${OWN}}`]: '600x60' },
        minute: 30,
      },
      {
        why: 'nothing waits',
        series: { ...behind('60x60'), [`prometheus_remote_storage_samples_pending{${SENDER}}`]: '0x60' },
        minute: 40,
      },
    ],
  },
  {
    alert: 'AlertsNotDelivered',
    fires: { series: failing('alertmanager', '1x30'), minute: 6 },
    doesNot: [{ why: 'all take them', series: failing('alertmanager', '0x30'), minute: 12 }],
  },
  {
    alert: 'RuleFailing',
    fires: { series: failing('rule_group', '2x30'), minute: 6 },
    doesNot: [{ why: 'something else fails', series: failing('query', '2x30'), minute: 12 }],
  },
  {
    alert: 'PrometheusRestarted',
    fires: { series: { [`process_start_time_seconds{${OWN}}`]: '10x5 300x30' }, minute: 8 },
    doesNot: [
      { why: 'that was long ago', series: { [`process_start_time_seconds{${OWN}}`]: '10x5 300x60' }, minute: 50 },
      { why: 'an app restarted', series: { 'process_start_time_seconds{job="my-app"}': '10x5 300x60' }, minute: 8 },
    ],
  },
  {
    alert: 'PrometheusKilled',
    fires: { series: { [`tsuru_agent_prometheus_crashes_total{${AGENT}, how="killed"}`]: '0x5 1x30' }, minute: 8 },
    doesNot: [
      {
        why: 'it ended by itself',
        series: { [`tsuru_agent_prometheus_crashes_total{${AGENT}, how="exit"}`]: '0x5 1x30' },
        minute: 8,
      },
    ],
  },
];

const BROKER_JOB = 'job="prometheus-broker", instance="b1"';
const requests = (status: string, values: string): Series => ({
  [`tsuru_broker_api_requests_total{${BROKER_JOB}, call="app", status="${status}"}`]: values,
});
const BROKER: readonly Case[] = [
  {
    alert: 'PrometheusBrokerDown',
    fires: { series: { [`up{${BROKER_JOB}}`]: '0x30' }, minute: 6 },
    doesNot: [{ why: 'it is up', series: { [`up{${BROKER_JOB}}`]: '1x30' }, minute: 12 }],
  },
  {
    alert: 'PrometheusBrokerTsuruUnreachable',
    fires: { series: { ...requests('network', '0+6x60'), ...requests('200', '0+1x60') }, minute: 20 },
    doesNot: [{ why: 'few fail', series: { ...requests('503', '0+1x60'), ...requests('200', '0+9x60') }, minute: 20 }],
  },
  {
    alert: 'PrometheusBrokerReconcilerFailing',
    fires: {
      series: { [`tsuru_broker_reconciler_last_success_timestamp_seconds{${BROKER_JOB}}`]: '60x60' },
      minute: 20,
    },
    doesNot: [
      {
        why: 'each round succeeds',
        series: { [`tsuru_broker_reconciler_last_success_timestamp_seconds{${BROKER_JOB}}`]: '0+60x60' },
        minute: 40,
      },
    ],
  },
  {
    alert: 'PrometheusBrokerVersionsDiffer',
    fires: {
      series: { 'tsuru_broker_info{version="1"}': '1x60', 'tsuru_broker_info{version="2"}': '1x60' },
      minute: 17,
    },
    doesNot: [
      {
        why: 'two brokers have one version',
        series: {
          'tsuru_broker_info{version="1", instance="a"}': '1x60',
          'tsuru_broker_info{version="1", instance="b"}': '1x60',
        },
        minute: 30,
      },
    ],
  },
];

/** Whether the alert fires, as promtool finds with the program that is on the PATH. */
async function fires(file: string, alert: string, series: Series, minute: number): Promise<boolean> {
  await using folder = await temporaryFolder();
  const test = {
    rule_files: [file],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`,
            eval_time: `${minute}m`,
            exp_samples: [{ labels: '{}', value: 1 }],
          },
        ],
      },
    ],
  };
  const path = join(folder.path, 'test.yml');
  await writeFile(path, dump(test));
  try {
    await run('promtool', ['test', 'rules', path]);
    return true;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    assert.match(`${stdout}${stderr}`, /got:nil|got:\s*nil/, `${stdout}${stderr}`);
    return false;
  }
}

interface Rule {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

for (const [name, cases] of [
  ['instance', INSTANCE],
  ['broker', BROKER],
] as const) {
  describe(`the alerts of image/rules/${name}.yml`, { concurrency: 2 }, () => {
    for (const { alert, fires: when, doesNot } of cases) {
      it(`have ${alert}, which fires`, async () => {
        assert.equal(await fires(fileOf(name), alert, when.series, when.minute), true);
      });
      for (const { why, series, minute } of doesNot) {
        it(`have ${alert}, which does not fire when ${why}`, async () => {
          assert.equal(await fires(fileOf(name), alert, series, minute), false);
        });
      }
    }

    it('have a severity, a summary, a description and a runbook sentence, and a test each', async () => {
      const { groups } = load(await readFile(fileOf(name), 'utf8')) as { groups: { rules: Rule[] }[] };
      const rules = groups.flatMap((group) => group.rules);
      for (const { alert, labels, annotations } of rules) {
        assert.match(labels['severity'] ?? '', /^(info|warning|critical)$/, alert);
        assert.deepEqual(Object.keys(annotations), ['summary', 'description', 'runbook'], alert);
        for (const text of Object.values(annotations)) assert.match(text, /\.$/, alert);
      }
      assert.deepEqual(
        rules.map(({ alert }) => alert),
        cases.map(({ alert }) => alert),
      );
    });
  });
}
