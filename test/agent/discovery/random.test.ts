import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { dump } from 'js-yaml';
import type { AppDetails, KnownApp } from '../../../agent/discovery/known-apps.ts';
import { asObject } from '../../../agent/shared/shape.ts';
import { discover, type Discovery } from '../../../agent/discovery/discover.ts';
import { learnDetails, learnList } from '../../../agent/tsuru/knowledge.ts';
import { readAppDetails, readAppList } from '../../../agent/tsuru/answers.ts';
import { renderFile, renderGroup } from '../../../agent/discovery/target-group.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { OPTIONS } from '../../support/known-apps.ts';

const LISTS = 500;

/** The lists are others in each run; SEED, as a failed run's titles show it, brings them back. */
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

/** Values as they are, and as they are not meant to be. */
const anyText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constant('\ud800'),
);
const address = fc.oneof({ weight: 4, arbitrary: fc.ipV4() }, fc.ipV6(), fc.constant(''), anyText);
const annotation = fc.record({
  name: fc.oneof(
    fc.constantFrom(
      ...['scrape', 'port', 'path', 'scheme', 'interval', 'timeout'].map((name) => `prometheus.io/${name}`),
    ),
    anyText,
  ),
  value: fc.oneof(fc.constantFrom('true', 'false', '9100', '/m?a=b&c[]=d', 'https', '1s', '2m', '1h'), anyText),
});
const metadata = fc.record({
  annotations: fc.array(annotation, { maxLength: 4 }),
  labels: fc.array(fc.record({ name: anyText, value: anyText }), { maxLength: 3 }),
});
const processName = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('web', 'worker') }, anyText);
const unit = fc.record({
  ID: fc.oneof(fc.uuid(), anyText),
  Name: fc.oneof({ weight: 4, arbitrary: fc.stringMatching(/^[a-z]{1,2}-web-[0-9a-f]{2}$/) }, anyText),
  ProcessName: processName,
  Status: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('started', 'starting', 'error', 'created', 'stopped') },
    anyText,
  ),
  Version: fc.nat(3),
  InternalIP: address,
  Address: fc.option(fc.record({ Host: fc.oneof(anyText, fc.constant('10.0.0.1:32768')) })),
});
const app = fc.record({
  name: fc.oneof({ weight: 4, arbitrary: fc.stringMatching(/^[a-z]{1,2}$/) }, anyText),
  pool: anyText,
  teamowner: anyText,
  metadata,
  units: fc.array(unit, { maxLength: 8 }),
});
const details = fc.record({
  platform: anyText,
  internalAddresses: fc.array(
    fc.record({
      Process: processName,
      Protocol: fc.constantFrom('TCP', 'UDP'),
      TargetPort: fc.oneof(fc.constantFrom(8888, 9100, 80), fc.integer({ min: -1, max: 70_000 })),
      Version: fc.constantFrom('', '1', '2'),
    }),
    { maxLength: 5 },
  ),
  processes: fc.array(fc.record({ name: processName, metadata }), { maxLength: 2 }),
});
const list = fc.record({ apps: fc.array(app, { maxLength: 6 }), details });

/** As the agent does it: from Tsuru's JSON to target groups. */
function discoverList(apps: unknown, appDetails: unknown): Discovery {
  const listed = learnList(new Map<string, KnownApp>(), readAppList(apps), 0);
  const told = (name: string): AppDetails => readAppDetails({ ...asObject(appDetails, 'details'), name }, name);
  const known = [...listed.keys()].reduce((all, name) => learnDetails(all, name, told(name)), listed);
  return discover(known, OPTIONS);
}

describe(`any list of apps that Tsuru might answer (SEED=${SEED})`, () => {
  const lists = fc.sample(list, { numRuns: LISTS, seed: SEED });

  it('has every unit exactly once: as a target, or left out with a reason', () => {
    for (const { apps, details: appDetails } of lists) {
      for (const { known, targets, leftOut } of discoverList(apps, appDetails).apps) {
        assert.equal(targets.length + leftOut.length, known.units.length);
        assert.ok(leftOut.every(({ text }) => text !== ''));
      }
    }
  });

  it('gives targets in order and none twice', () => {
    for (const { apps, details: appDetails } of lists) {
      const { apps: discovered, groups } = discoverList(apps, appDetails);
      const names = discovered.map(({ known }) => known.app.name);
      assert.deepEqual(names, names.toSorted());
      const keys = groups.map(({ targets, labels }) =>
        JSON.stringify([targets, labels['__meta_tsuru_app'], labels['__meta_tsuru_unit']]),
      );
      assert.equal(new Set(keys).size, keys.length);
      assert.ok(groups.every(({ targets }) => targets.length === 1));
    }
  });

  it('gives the same file whatever the order of apps, units and annotations', () => {
    for (const { apps, details: appDetails } of lists) {
      const unique = [...new Map(apps.map((one) => [one.name, one])).values()];
      const reversed = unique.toReversed().map((one) => ({ ...one, units: one.units.toReversed() }));
      assert.equal(
        renderFile(discoverList(reversed, appDetails).groups.map(renderGroup)),
        renderFile(discoverList(unique, appDetails).groups.map(renderGroup)),
      );
    }
  });

  it('gives a file that Prometheus takes, with not one target dropped', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'targets'));
    let expected = 0;
    for (const [index, { apps, details: appDetails }] of lists.entries()) {
      const { groups } = discoverList(apps, appDetails);
      // The number of the list as a label: promtool shows targets that are the same only once.
      const numbered = groups.map(({ targets, labels }) => ({ targets, labels: { ...labels, list: String(index) } }));
      expected += groups.length;
      await writeFile(join(folder.path, 'targets', `${index}.json`), renderFile(numbered.map(renderGroup)));
    }
    const config = join(folder.path, 'prometheus.yml');
    const job = { job_name: 'apps', file_sd_configs: [{ files: [join(folder.path, 'targets', '*.json')] }] };
    await writeFile(config, dump({ scrape_configs: [job] }));
    const { stdout } = await promisify(execFile)(
      'promtool',
      ['check', 'service-discovery', '--timeout=10s', config, 'apps'],
      {
        maxBuffer: 256 * 1024 * 1024,
      },
    );
    const results = JSON.parse(stdout) as readonly { labels?: unknown; error?: string }[];
    assert.deepEqual(
      results.filter(({ error, labels }) => error !== undefined || labels === undefined),
      [],
    );
    assert.ok(expected > LISTS, 'the lists have targets');
    assert.equal(results.length, expected);
  });
});
