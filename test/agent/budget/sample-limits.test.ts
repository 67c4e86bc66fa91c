import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { readSamples, sampleKey } from '../../../agent/budget/samples.ts';
import {
  limitedJob,
  nextSampleLimit,
  SAMPLE_LIMIT_LABEL,
  SAMPLE_LIMITS,
  sampleLimitFor,
  splitBySampleLimit,
} from '../../../agent/budget/sample-limits.ts';
import { createPrometheusClient } from '../../../agent/prometheus/client.ts';
import { freePort } from '../../support/port.ts';
import { startProgram } from '../../support/program.ts';
import { startPrometheus } from '../../support/prometheus.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const LOAD = fileURLToPath(new URL('../../budget/load/main.ts', import.meta.url));

describe('the sample limit of a target', () => {
  it('is the least that leaves it some room, and the largest for all that is larger', () => {
    assert.deepEqual([0, 227, 228, 900, 1_000, 999_999].map(sampleLimitFor), [250, 250, 500, 1_000, 2_000, 128_000]);
  });

  it('stays as long as samples are well below it, and not far below', () => {
    assert.deepEqual(
      [401, 950].map((samples) => nextSampleLimit(1_000, samples)),
      [1_000, 1_000],
    );
    assert.deepEqual(
      [100, 400, 951, 5_000].map((samples) => nextSampleLimit(1_000, samples)),
      [250, 500, 2_000, 8_000],
    );
  });
});

describe('jobs by sample limit', () => {
  it('take the targets with their label, one discovery for all', () => {
    const job = {
      job_name: 'apps',
      file_sd_configs: [{ files: ['a.json'] }],
      relabel_configs: [{ target_label: 'x' }],
    };
    const jobs = splitBySampleLimit(job);
    assert.equal(jobs.length, SAMPLE_LIMITS.length);
    assert.deepEqual(jobs[2], {
      job_name: limitedJob('apps', 1_000),
      sample_limit: 1_000,
      file_sd_configs: [{ files: ['a.json'] }],
      relabel_configs: [{ source_labels: [SAMPLE_LIMIT_LABEL], regex: '1000', action: 'keep' }, { target_label: 'x' }],
    });
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
    await writeTargets([250, 250]);
    const configFile = join(folder.path, 'prometheus.yml');
    const job = { job_name: 'apps', file_sd_configs: [{ files: [targets] }] };
    await writeFile(
      configFile,
      JSON.stringify({
        global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
        scrape_configs: splitBySampleLimit(job),
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
    await (await request(`http://127.0.0.1:${port}/0?series=1000`, { method: 'POST' })).body.dump();
    await become('the first to fail', up, { 'unit-0': 0, 'unit-1': 1 });
    await become('its size to be told all the same', samples, { 'app-0 unit-0': 1_000, 'app-1 unit-1': 100 });
    await writeTargets([2_000, 250]);
    await become('both to be up', up, { 'unit-0': 1, 'unit-1': 1 });
  });
});
