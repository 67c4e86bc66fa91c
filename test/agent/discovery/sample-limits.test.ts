import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { readSamples, sampleKey } from '../../../agent/capacity/samples.ts';
import {
  limitedJob,
  labelOfLimit,
  limitOfLabel,
  PROBE_LIMIT,
  SAMPLE_LIMIT_LABEL,
  SAMPLE_LIMITS,
  sampleLimitFor,
  splitBySampleLimit,
} from '../../../agent/discovery/sample-limits.ts';
import { createPrometheusClient } from '../../../agent/prometheus/api/client.ts';
import { freePort } from '../../support/port.ts';
import { startProgram } from '../../support/program.ts';
import { startPrometheus } from '../../support/prometheus.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const LOAD = fileURLToPath(new URL('../../budget/load/main.ts', import.meta.url));

describe('the sample limit of a target', () => {
  it('is the least that leaves it some room, and none for all that is larger', () => {
    const limits = [0, 1_818, 1_819, 14_545, 14_546, 999_999].map((samples) => sampleLimitFor(samples, undefined));
    assert.deepEqual(limits, [2_000, 2_000, 16_000, 16_000, Infinity, Infinity]);
  });

  it('stays until the samples exceed it or are far below', () => {
    const stays = [455, 1_819, 14_545].map((samples) => sampleLimitFor(samples, 16_000));
    assert.deepEqual(stays, [16_000, 16_000, 16_000]);
    const changes = [454, 14_546].map((samples) => sampleLimitFor(samples, 16_000));
    assert.deepEqual(changes, [2_000, Infinity]);
    assert.deepEqual(
      [2_000, 20_000].map((samples) => sampleLimitFor(samples, PROBE_LIMIT)),
      [16_000, Infinity],
    );
  });

  it('is read from its label again', () => {
    assert.deepEqual(
      SAMPLE_LIMITS.map((limit) => limitOfLabel(labelOfLimit(limit))),
      [...SAMPLE_LIMITS],
    );
    assert.deepEqual([undefined, '', '1', 'many'].map(limitOfLabel), [undefined, undefined, undefined, undefined]);
  });
});

describe('jobs by sample limit', () => {
  it('take the targets with their label, one discovery for all', () => {
    const job = {
      job_name: 'apps',
      file_sd_configs: [{ files: ['a.json'] }],
      relabel_configs: [{ target_label: 'x' }],
    };
    const jobs = splitBySampleLimit(job, 100_000);
    assert.deepEqual(
      jobs.map(({ job_name: name, sample_limit: limit }) => [name, limit]),
      [
        ['apps', 2_000],
        ['apps-16000', 16_000],
        ['apps-large', 100_000],
        ['apps-over-capacity', 1],
      ],
    );
    assert.deepEqual(jobs[1], {
      job_name: limitedJob('apps', 16_000),
      sample_limit: 16_000,
      file_sd_configs: [{ files: ['a.json'] }],
      relabel_configs: [{ source_labels: [SAMPLE_LIMIT_LABEL], regex: '16000', action: 'keep' }, { target_label: 'x' }],
    });
  });

  it("have no limit above the job's own, and none where nothing limits", () => {
    const limitsOf = (own: number, most: number): unknown[] =>
      splitBySampleLimit({ job_name: 'apps', sample_limit: own }, most).map(({ sample_limit: limit }) => limit);
    assert.deepEqual(limitsOf(5_000, 100_000), [2_000, 5_000, 5_000, 1]);
    assert.deepEqual(limitsOf(0, Infinity), [2_000, 16_000, 0, 1]);
  });

  it('have a target that explodes fail alone, tell how much it exposes, and scrape it again once its limit is raised', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder());
    const load = startProgram({ command: process.execPath, args: [LOAD, '--targets', '2', '--series', '100'] });
    stack.defer(() => load.stop().then(() => undefined));
    const { port } = JSON.parse(await until('the load', () => load.lines[0])) as { port: number };
    const targets = join(folder.path, 'targets.json');
    const writeTargets = async (limits: readonly number[]): Promise<void> => {
      const groups = limits.map((limit, index) => ({
        targets: [`127.0.0.1:${port}`],
        labels: {
          [SAMPLE_LIMIT_LABEL]: String(limit),
          __metrics_path__: `/${index}/metrics`,
          tsuru_app: `app-${index}`,
          instance: `unit-${index}`,
        },
      }));
      await writeFile(`${targets}.new`, JSON.stringify(groups));
      await rename(`${targets}.new`, targets);
    };
    await writeTargets([2_000, 2_000]);
    const configFile = join(folder.path, 'prometheus.yml');
    const job = { job_name: 'apps', file_sd_configs: [{ files: [targets] }] };
    await writeFile(
      configFile,
      JSON.stringify({
        global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
        scrape_configs: splitBySampleLimit(job, Infinity),
      }),
    );
    const prometheus = await startPrometheus({
      folder: folder.path,
      configFile,
      address: `127.0.0.1:${await freePort(0)}`,
    });
    stack.defer(() => prometheus.stop());
    const client = createPrometheusClient(new URL(prometheus.url));
    stack.defer(() => client.close());
    const samples = async (): Promise<unknown> => Object.fromEntries(await readSamples(client));
    const up = async (): Promise<unknown> => Object.fromEntries(await prometheus.query('max by (instance) (up)'));
    const become = async (what: string, look: () => Promise<unknown>, wanted: unknown): Promise<void> => {
      await until(what, async () => {
        assert.deepEqual(await look(), wanted);
        return true;
      });
    };

    await become('both scraped', samples, { [sampleKey('app-0', 'unit-0')]: 100, [sampleKey('app-1', 'unit-1')]: 100 });
    await (await request(`http://127.0.0.1:${port}/0?series=3000`, { method: 'POST' })).body.dump();
    await become('the first to fail', up, { 'unit-0': 0, 'unit-1': 1 });
    await become('its size to be told all the same', samples, { 'app-0 unit-0': 3_000, 'app-1 unit-1': 100 });
    await writeTargets([PROBE_LIMIT, 2_000]);
    await become('the first to fail where it is only measured', up, { 'unit-0': 0, 'unit-1': 1 });
    await become('its size to be told there, too', samples, { 'app-0 unit-0': 3_000, 'app-1 unit-1': 100 });
    await writeTargets([16_000, 2_000]);
    await become('both to be up', up, { 'unit-0': 1, 'unit-1': 1 });
  });
});
