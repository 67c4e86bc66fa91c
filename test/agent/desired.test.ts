import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDesire, type Desired } from '../../agent/desired.ts';
import { createFacts, type Facts } from '../../agent/facts.ts';
import type { WatchState } from '../../agent/capacity/volume-steps.ts';
import { sampleKey } from '../../agent/capacity/samples.ts';
import { featuresOf } from '../../agent/prometheus/api/features.ts';
import { keyOf } from '../../agent/redirects/learned-paths.ts';
import { readSettings, type SettingsInput } from '../../agent/shared/settings/settings.ts';
import type { Settings } from '../../agent/shared/settings/schema.ts';
import { renderFile } from '../../agent/discovery/target-group.ts';
import { byName, known } from '../support/known-apps.ts';

const MIB = 2 ** 20;

function settings(input: SettingsInput = {}): Settings {
  const read = readSettings(input);
  assert.ok(read.ok);
  return read.settings;
}

const CAPACITY: NonNullable<Facts['capacity']> = {
  memoryLimitBytes: 1024 * MIB,
  volume: { kind: 'tmpfs', sizeBytes: 256 * MIB },
  load: undefined,
  layout: undefined,
  volumeSteps: undefined,
  paused: new Map(),
  samples: undefined,
};

const FACTS: Facts = {
  apps: byName(known('my-app'), known('other')),
  seenAtMs: 0,
  settings: settings(),
  address: 'http://prometheus.example.com/',
  features: featuresOf('3.14.0'),
  learned: new Map(),
  revivals: 0,
  capacity: CAPACITY,
};

/** The texts that are wanted: of the target file, and the command line. */
interface Wanted {
  readonly targets: string;
  readonly flags: string;
  readonly desired: Desired;
}

function wanted(news: Partial<Facts>, environment: Readonly<Record<string, string>> = {}): Wanted {
  const launch = {
    configFile: '/data/agent/config/prometheus.yml',
    storageFolder: '/data/prometheus',
    listen: { host: '127.0.0.1', port: 9090 },
    webConfigFile: '/data/agent/web.yml',
    environment,
    lockFlags: [],
  };
  const desired = createDesire({ environment, launch })({ ...FACTS, ...news }, undefined);
  const texts = desired.targets?.apps.flatMap((app) => app.texts);
  return {
    desired,
    targets: texts === undefined ? 'unknown' : renderFile(texts),
    flags: desired.launch?.args.join(' ') ?? 'none',
  };
}

const TIGHT: WatchState = {
  steps: 1,
  changedMs: 0,
  roomSinceMs: undefined,
  retentionSizeBytes: 64 * MIB,
  factor: 2,
};

/** With these facts, these texts. */
const TABLE: readonly (readonly [
  facts: string,
  news: Partial<Facts>,
  targets: readonly (string | RegExp)[],
  flags: readonly (string | RegExp)[],
])[] = [
  [
    'nothing is known of apps yet: no file is wanted, which is not an empty one',
    { apps: undefined },
    [/^unknown$/],
    [],
  ],
  ['no app is bound', { apps: new Map() }, ['[{"targets": []}]'], []],
  ['two apps are bound', {}, ['"__meta_tsuru_app":"my-app"', '"__meta_tsuru_app":"other"'], []],
  [
    'an app is paused for its series',
    { capacity: { ...CAPACITY, paused: new Map([['my-app', 'too many series']]) } },
    ['"__meta_tsuru_app":"other"', /^(?!.*"my-app")/s],
    [],
  ],
  [
    'the volume is tight: intervals are doubled',
    { capacity: { ...CAPACITY, volumeSteps: TIGHT } },
    ['"__scrape_interval__":"30s"', '"__meta_tsuru_scrape_interval":"15s"'],
    [],
  ],
  [
    'a process redirects its path',
    {
      learned: new Map([
        [
          keyOf('my-app', 'web'),
          {
            app: 'my-app',
            process: 'web',
            from: '/metrics',
            to: { path: '/metrics/', query: {} },
            asked: ['/metrics'],
          },
        ],
      ]),
    },
    ['"__metrics_path__":"/metrics/"'],
    [],
  ],
  [
    'one target exposes more than the instance can hold',
    { capacity: { ...CAPACITY, samples: new Map([[sampleKey('my-app', 'my-app-1'), 10_000_000]]) } },
    ['"__meta_tsuru_sample_limit":"1"'],
    [],
  ],
  ['Tsuru has told no address yet', { address: undefined }, [], [/^(?!.*web.external-url)/]],
  ['it has', {}, [], ['--web.external-url=http://prometheus.example.com/ --web.route-prefix=/']],
  ['the settings limit queries', { settings: settings({ query_timeout: '7s' }) }, [], ['--query.timeout=7s']],
  [
    'this version takes the retention by a flag only',
    { features: featuresOf('2.42.0'), settings: settings({ retention: '3d' }) },
    [],
    ['--storage.tsdb.retention.time=3d'],
  ],
  ['this version reads the retention in its file', {}, [], [/^(?!.*retention)/]],
  ['nothing is known of its load', {}, [], ['--storage.tsdb.min-block-duration=2h']],
  [
    'it takes in as much as fits',
    { capacity: { ...CAPACITY, load: { series: 70_000, samplesPerSecond: 4_667 } } },
    [],
    ['--storage.tsdb.min-block-duration=10m --storage.tsdb.max-block-duration=10m'],
  ],
];

describe('what the agent wants', () => {
  for (const [facts, news, targets, flags] of TABLE) {
    it(`follows from the facts: ${facts}`, () => {
      const texts = wanted(news);
      for (const [text, expected] of [
        ...targets.map((one) => [texts.targets, one] as const),
        ...flags.map((one) => [texts.flags, one] as const),
      ]) {
        if (typeof expected === 'string') assert.ok(text.includes(expected), `${expected} in ${text}`);
        else assert.match(text, expected);
      }
    });
  }

  it('is no process where somebody else runs Prometheus, and the retention of the settings', () => {
    const desired = createDesire({ environment: {}, launch: undefined })(
      { ...FACTS, capacity: undefined, settings: settings({ retention_size: '1GB' }) },
      undefined,
    );
    assert.equal(desired.launch, undefined);
    assert.equal(desired.configuration.retentionSizeBytes, 2 ** 30);
    assert.equal(desired.targets, desired.discovered);
  });

  it('reports which settings cannot be applied', () => {
    const remoteWrite = 'https://metrics.example.com/write';
    const { problems } = wanted({
      settings: settings({
        remote_write: JSON.stringify([{ url: remoteWrite, authorization: { credentials_env: 'METRICS_TOKEN' } }]),
      }),
      capacity: { ...CAPACITY, memoryLimitBytes: 300 * MIB },
    }).desired;
    assert.deepEqual(problems.missingVariables, ['METRICS_TOKEN']);
    assert.match(problems.memory ?? '', /300 MiB of memory are too few/);
    const { problems: none } = wanted({}).desired;
    assert.deepEqual(none, { missingVariables: [], headers: undefined, proxy: undefined, memory: undefined });
  });

  it('is the same object while its facts are the same, so that no applier does anything', () => {
    const desire = createDesire({ environment: {}, launch: undefined });
    const first = desire(FACTS, undefined);
    const later = desire({ ...FACTS, seenAtMs: 99, address: 'http://other/', revivals: 1 }, first.plan?.memory);
    assert.equal(later.targets, first.targets);
    assert.equal(later.capacity, first.capacity);
    const changed = desire({ ...FACTS, apps: byName(known('my-app')) }, first.plan?.memory);
    assert.notEqual(changed.targets, first.targets);
    assert.equal(changed.targets?.apps[0]?.texts.join(), first.targets?.apps[0]?.texts.join());
  });
});

describe('the facts', () => {
  it('cause one round for all patches of a turn, and none for a patch without a change', async () => {
    const rounds: Facts[] = [];
    const facts = createFacts(FACTS);
    facts.patch({ revivals: 1 });
    facts.follow((now) => rounds.push(now));
    assert.equal(rounds.length, 1);
    facts.patch({ revivals: 2 });
    facts.patch({ address: 'http://other/' });
    facts.patchCapacity({ paused: new Map([['my-app', 'why']]) });
    await Promise.resolve();
    assert.equal(rounds.length, 2);
    assert.deepEqual([rounds[1]?.revivals, rounds[1]?.address], [2, 'http://other/']);
    assert.equal(rounds[1]?.capacity?.paused.size, 1);
    facts.patch({ revivals: 2, apps: facts.current().apps });
    await Promise.resolve();
    facts.flush();
    assert.equal(rounds.length, 2);
  });
});
